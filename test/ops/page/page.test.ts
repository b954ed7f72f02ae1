import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { pageFiles } from '../../../ops/page/page-files.ts'
import type { PageCounts, PageShape } from '../../../topology/swarm/page.ts'
import { SwarmHere } from '../../support/swarm-here.ts'

describe('The page', () => {
  let here: SwarmHere
  before(async () => {
    here = await SwarmHere.open({})
  })
  after(() => here[Symbol.asyncDispose]())

  it('is served at / with all of its modules, and refers to no other server', async () => {
    const html = await (await fetch(`${here.url}/`)).text()
    const { imports } = JSON.parse(/<script type="importmap">(.*)<\/script>/.exec(html)?.[1] ?? '') as {
      readonly imports: { readonly [name: string]: string }
    }
    const named = [...html.matchAll(/(?:src|href)="(\.\/.+?)"/g)].map(([, path = '']) => path)
    const modules = [...pageFiles().files.keys()].filter((path) => path.endsWith('.js')).map((path) => `.${path}`)
    for (const path of [...named, ...Object.values(imports), ...modules]) {
      const file = await fetch(new URL(path, `${here.url}/`))
      assert.equal(file.status, 200, path)
      const text = await file.text()
      if (path.startsWith('./page/lib/')) continue
      assert.doesNotMatch(text, /["'`(]https?:\/\//, path)
      for (const [, imported = ''] of text.matchAll(/from '(.+?)'/g)) {
        const to = imports[imported] ?? `./page/${imported.replace('./', '')}`
        assert.ok(modules.includes(to), `${path} imports ${imported}`)
      }
    }
  })

  it('has a strict content security policy, and other responses keep their own policy', async () => {
    const policy = (await fetch(`${here.url}/`)).headers.get('content-security-policy') ?? ''
    assert.match(policy, /^default-src 'none'; script-src 'self' 'sha256-\S{44}'; style-src 'self';/)
    assert.doesNotMatch(policy, /unsafe|https?:|\*/)
    assert.match((await fetch(`${here.url}/healthz`)).headers.get('content-security-policy') ?? '', /^default-src 'self'/)
  })

  it('is sent compressed, and is not sent again while it is unchanged', async () => {
    const { files } = pageFiles()
    const bytes = [...files.values()].reduce((sum, { gzip }) => sum + gzip.length, 0)
    assert.ok(bytes < 250_000, `${bytes} bytes`)
    for (const { bytes: plain, gzip } of files.values()) assert.deepEqual(gunzipSync(gzip), plain)
    const etag = (await fetch(`${here.url}/page/page.js`)).headers.get('etag') ?? ''
    assert.equal((await fetch(`${here.url}/page/page.js`, { headers: { 'if-none-match': etag } })).status, 304)
    assert.equal((await fetch(`${here.url}/page/..%2f..%2fpackage.json`)).status, 404)
  })

  it('gets the list of swarms, and their counts every second, as events', async () => {
    const response = await fetch(`${here.url}/v1/live`)
    const reader = (response.body ?? assert.fail()).pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    const dataOf = (event: string) => new RegExp(`event: ${event}\\ndata: (.*)\\n\\n`).exec(text)?.[1]
    while (dataOf('counts') === undefined) text += (await reader.read()).value ?? assert.fail('the stream ended')
    const { swarms } = JSON.parse(dataOf('shape') ?? '') as PageShape
    assert.deepEqual(
      swarms.map(({ name, gateways, bees }) => ({
        name,
        gateways: gateways.map(({ gateway }) => gateway),
        bees: bees.map((bee) => [bee.name, bee.after]),
      })),
      [
        {
          name: here.name,
          gateways: [here.name],
          bees: [
            ['entrance', []],
            ['work', ['entrance']],
            ['answer', ['work']],
          ],
        },
      ],
    )
    const counts = JSON.parse(dataOf('counts') ?? '') as PageCounts
    assert.equal(counts.swarms[0]?.topics[`waggle.gateway.${here.name}`], 0)
    await reader.cancel()
    for (const headers of [{ origin: 'https://evil.example' }, { via: '1.1 proxy' }])
      assert.equal((await fetch(`${here.url}/v1/live`, { headers })).status, 403)
  })

  it('says which bees take the results of several bees one by one', async () => {
    const bees = `  - {name: left, type: module, input: {name: entrance}, spec: {file: ./work.mjs}}
  - {name: right, type: module, input: {name: entrance}, spec: {file: ./work.mjs}}
  - {name: each, type: module, input: {stack: [left, right]}, spec: {file: ./work.mjs}}
  - {name: answer, type: respond, input: {join: [left, right]}}`
    await using stacked = await SwarmHere.open({}, { bees })
    const reader = ((await fetch(`${stacked.url}/v1/live`)).body ?? assert.fail()).pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    const shape = () => /event: shape\ndata: (.*)\n\n/.exec(text)?.[1]
    while (shape() === undefined) text += (await reader.read()).value ?? assert.fail('the stream ended')
    await reader.cancel()
    const { swarms } = JSON.parse(shape() ?? '') as PageShape
    assert.deepEqual(
      swarms[0]?.bees.filter(({ stacks }) => stacks).map(({ name }) => name),
      ['each'],
    )
  })
})
