import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import sharp from 'sharp'
import { MeasuredProgram } from '../../../ops/bench/measured-program.ts'

const root = resolve(import.meta.dirname, '..', '..', '..')
const main = join(root, 'ops', 'cli', 'main.ts')

const swarm = `name: shop
bees:
  - { name: entrance, type: gateway-input, spec: { name: door } }
  - { name: tidy, type: module, input: { name: entrance }, spec: { file: ./bees.mjs, bee: tidy } }
  - { name: price, type: module, input: { name: tidy }, spec: { file: ./bees.mjs, bee: price } }
  - { name: answer, type: respond, input: { name: price } }
`
/** `price` fails for words, until the file `mended` exists. */
const modules = `import { existsSync } from 'node:fs'
export const tidy = (input) => (typeof input === 'object' && 'text' in input ? { text: input.text.trim() } : input)
export const price = (input) => {
  if (typeof input !== 'object' || !('text' in input)) return { given: true }
  if (!existsSync(import.meta.dirname + '/mended')) throw new Error('no price for ' + input.text)
  return { price: input.text.length }
}
`

interface Letter {
  readonly id: string
  readonly bee: string
  readonly code: string
  readonly cause: string
  readonly content: string
  readonly request_id: string
}

describe('The inspection of a swarm’s log', () => {
  mkdirSync(join(root, '.waggle'), { recursive: true })
  const directory = mkdtempSync(join(root, '.waggle', 'inspection-'))
  const env = { WAGGLE_DATA_DIR: join(directory, 'data'), WAGGLE_HTTP_PORT: '0', WAGGLE_PARTITIONS: '2' }
  let program: MeasuredProgram | null = null

  before(async () => {
    writeFileSync(join(directory, 'swarm.yaml'), swarm)
    writeFileSync(join(directory, 'bees.mjs'), modules)
    program = await started()
  })
  after(async () => {
    await program?.stop()
    rmSync(directory, { recursive: true })
  })

  const started = () => MeasuredProgram.start([main, 'run', join(directory, 'swarm.yaml'), '--json'], env)

  const gateway = () => program?.ready.gateway ?? ''

  async function stopped(): Promise<void> {
    assert.equal(await program?.stop(), 0)
    program = null
  }

  function waggle(...argv: readonly string[]) {
    return new Promise<{ readonly status: number | null; readonly out: string; readonly err: string }>((settle) => {
      const child = spawn(process.execPath, [main, ...argv], { env: { ...process.env, ...env } })
      let [out, err] = ['', '']
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        out += text
      })
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        err += text
      })
      child.on('close', (status) => settle({ status, out, err }))
    })
  }

  async function post(body: string | Uint8Array<ArrayBuffer>, contentType: string): Promise<Response> {
    const send = () => fetch(`${gateway()}/v1/gateways/door/request`, { method: 'POST', body, headers: { 'content-type': contentType } })
    // The gateway answers 503 if other tests keep the machine busy.
    let answer = await send()
    for (let tries = 0; answer.status === 503 && tries < 50; tries++) {
      await new Promise((settle) => setTimeout(settle, 200))
      answer = await send()
    }
    return answer
  }

  async function letters(): Promise<readonly Letter[]> {
    const { status, out, err } = await waggle('dead-letters', 'list', '--json')
    assert.equal(status, 0, err)
    return (JSON.parse(out) as { readonly dead_letters: readonly Letter[] }).dead_letters
  }

  async function answerTo(id: string): Promise<unknown> {
    for (let tries = 0; tries < 100; tries++) {
      const state = (await (await fetch(`${gateway()}/v1/requests/${id}`)).json()) as { readonly state?: string; readonly answer?: unknown }
      if (state.state === 'answered') return state.answer
      await new Promise((settle) => setTimeout(settle, 100))
    }
    return assert.fail(`${id} has no answer`)
  }

  it('shows topics and decoded records of a running process, which it finds through the data directory', async () => {
    const picture = await sharp({ create: { width: 40, height: 30, channels: 3, background: 'red' } })
      .png()
      .toBuffer()
    assert.equal((await post('{"number": 1}', 'application/json')).status, 200)
    assert.equal((await post(Uint8Array.from(picture), 'image/png')).status, 200)
    assert.equal((JSON.parse(readFileSync(join(directory, 'data', 'process.json'), 'utf8')) as { url: string }).url, gateway())

    const topics = await waggle('topics', 'list')
    assert.equal(topics.status, 0, topics.err)
    assert.match(topics.out, /^waggle\.gateway\.door +2 +delete +2$/m)
    const tailed = await waggle('topics', 'tail', 'waggle.gateway.door', '--from-beginning', '--max', '2', '--json')
    const values = tailed.out
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { readonly value: string }).value)
    assert.deepEqual(values.toSorted(), [`<picture: image/png, 40 × 30, ${picture.length} bytes>`, '{"number": 1}'])
    const secret = await waggle('topics', 'tail', 'waggle.id-secret', '--from-beginning', '--max', '1', '--json')
    assert.match(secret.out, /"value":"<hidden>"/)
    assert.equal((await waggle('topics', 'tail', 'nowhere')).status, 1)
  })

  it('follows a topic as its records are written', async () => {
    const child = spawn(process.execPath, [main, 'topics', 'tail', 'waggle.shop.answer', '--max', '1', '--url', gateway()], {
      env: { ...process.env, ...env },
    })
    let out = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    const ended = new Promise((settle) => child.once('close', settle))
    // The command may begin to follow after the first answers.
    while (child.exitCode === null) {
      assert.equal((await post('{"number": 2}', 'application/json')).status, 200)
      await Promise.race([ended, new Promise((settle) => setTimeout(settle, 300))])
    }
    assert.match(out, /^\d\/\d+ +\S+Z +\S+ +\{"given":true\}\n$/)
  })

  it('shows bee, cause and content of a failed record, and a corrected bee answers after a retry of the record', async () => {
    for (const text of ['one', 'two', 'three']) assert.equal((await post(JSON.stringify({ text }), 'application/json')).status, 502)
    const { out } = await waggle('dead-letters', 'list')
    for (const text of ['one', 'two', 'three']) {
      const letter = new RegExp(
        `shop:\\d:\\d+  \\S+Z  price  WAGGLE_BEE_FAILED\\n  cause    no price for ${text}\\. .*\\n  request  \\S+\\n  input    offset \\d+ of waggle\\.\\S+, partition \\d\\n  content  application/json  \\{"text":"${text}"\\}`,
      )
      assert.match(out, letter)
    }
    writeFileSync(join(directory, 'mended'), '')
    const [newest] = await letters()
    const shown = await waggle('dead-letters', 'show', newest?.id ?? '', '--json')
    assert.equal((JSON.parse(shown.out) as Letter).content, '{"text":"three"}')
    const retried = await waggle('dead-letters', 'retry', newest?.id ?? '', '--json')
    assert.equal(retried.status, 0, retried.err)
    assert.deepEqual(await answerTo((JSON.parse(retried.out) as Letter).request_id), { price: 5 })
    assert.equal((await letters()).length, 2)
    const again = await waggle('dead-letters', 'retry', newest?.id ?? '')
    assert.deepEqual([again.status, /retried or discarded before/.test(again.err)], [1, true], again.err)
  })

  it('traces a request as a tree, and as a list if no process runs', async () => {
    const id = (await post('{"number": 3}', 'application/json')).headers.get('x-request-id') ?? ''
    const traced = await waggle('trace', id)
    assert.equal(traced.status, 0, traced.err)
    const steps = ['└─ entrance', '   └─ tidy', '      └─ price', '         └─ answer']
    const [head, ...lines] = traced.out.trimEnd().split('\n')
    assert.match(head ?? '', new RegExp(`^${id}  shop, answered, accepted \\S+Z, \\d+ ms$`))
    assert.deepEqual(
      lines.map((line) => line.replace(/ +\+\d+ ms, .*worked \d+ ms, waggle\.\S+ \d\/\d+$/, '')),
      steps,
    )
    assert.equal((await waggle('trace', '01890a5d-ac96-774b-bcce-b302099a8057')).status, 1)
    await stopped()
    const { steps: alone } = JSON.parse((await waggle('trace', id, '--json')).out) as { readonly steps: readonly { readonly bee: string }[] }
    assert.deepEqual(alone.map(({ bee }) => bee).toSorted(), ['answer', 'door', 'price', 'tidy'])
    program = await started()
  })

  it('returns records page by page, within limits', async () => {
    const page = async (query: string) => {
      const answer = await fetch(`${gateway()}${query}`)
      return { status: answer.status, body: (await answer.json()) as { records: unknown[]; next: string; dead_letters: Letter[]; code: string } }
    }
    const records: unknown[] = []
    let from = 'start'
    for (;;) {
      const { body } = await page(`/v1/topics/waggle.gateway.door/records?from=${from}&max=1`)
      assert.ok(body.records.length <= 1)
      if (body.records.length === 0) break
      records.push(...body.records)
      from = body.next
    }
    const all = await page('/v1/topics/waggle.gateway.door/records?from=start&max=1000')
    assert.equal(new Set(records.map((record) => JSON.stringify(record))).size, all.body.records.length)
    const first = await page('/v1/dead-letters?max=1')
    const second = await page(`/v1/dead-letters?max=1&after=${first.body.next}`)
    assert.notEqual(second.body.dead_letters[0]?.id, first.body.dead_letters[0]?.id)
    assert.equal(second.body.next, null)
    for (const wrong of ['max=1.5', 'max=', 'max=ten', 'max=1001', 'max=-1', 'wait_seconds=31', 'from=nowhere']) {
      const { status, body } = await page(`/v1/topics/waggle.gateway.door/records?${wrong}`)
      assert.deepEqual([status, body.code], [400, 'WAGGLE_BAD_REQUEST'], wrong)
    }
    assert.equal((await page('/v1/topics/nowhere/records')).status, 404)
    for (const id of ['shop:0:999999', 'nothing', 'other:0:0', '..%2F..', 'shop:9:0'])
      assert.equal((await page(`/v1/dead-letters/${id}`)).status, 404, id)
  })

  it('refuses requests from pages of other sites, and requests through a proxy', async () => {
    for (const path of ['/v1/topics', '/v1/topics/waggle.gateway.door/records?from=start', '/v1/dead-letters', '/v1/process']) {
      for (const headers of [
        { origin: 'https://evil.example' },
        { 'sec-fetch-site': 'cross-site' },
        { 'x-forwarded-for': '10.1.1.1' },
        { via: '1.1 proxy' },
      ]) {
        assert.equal((await fetch(`${gateway()}${path}`, { headers })).status, 403, path)
      }
    }
    const [letter] = await letters()
    const headers = { origin: 'https://evil.example' }
    assert.equal((await fetch(`${gateway()}/v1/dead-letters/${letter?.id}/retry`, { method: 'POST', headers })).status, 403)
    assert.equal((await fetch(`${gateway()}/v1/dead-letters/${letter?.id}`, { method: 'DELETE', headers })).status, 403)
    assert.equal((await letters()).length, 2)
  })

  it('works without a process, and a record that is retried meanwhile is answered at the next start', async () => {
    const waiting = fetch(`${gateway()}/v1/topics/waggle.shop.dead-letters/records?from=end&wait_seconds=30`)
    const [first, second] = await letters()
    await stopped()
    assert.deepEqual(((await (await waiting).json()) as { records: unknown }).records, [])
    assert.ok(!existsSync(join(directory, 'data', 'process.json')))
    // A killed process leaves its address behind.
    writeFileSync(join(directory, 'data', 'process.json'), '{"url":"http://127.0.0.1:9","instance":"of the past"}')
    assert.deepEqual(
      (await letters()).map(({ id }) => id),
      [first?.id, second?.id],
    )
    assert.equal((await waggle('dead-letters', 'discard', second?.id ?? '')).status, 0)
    const retried = await waggle('dead-letters', 'retry', first?.id ?? '', '--json')
    assert.equal(retried.status, 0, retried.err)
    assert.match((await waggle('dead-letters', 'list')).out, /^There are no dead letters\.\n$/)
    assert.equal((await waggle('dead-letters', 'show', 'shop:0:77')).status, 1)
    program = await started()
    assert.deepEqual(await answerTo((JSON.parse(retried.out) as Letter).request_id), { price: 3 })
  })

  it('exits with 3 if nothing runs at the given address, and with 2 for an invalid count', async () => {
    const away = await waggle('dead-letters', 'list', '--url', 'http://127.0.0.1:9')
    assert.equal(away.status, 3)
    assert.match(away.err, /cannot be reached .*--url/)
    assert.equal((await waggle('dead-letters', 'list', '--max', 'many')).status, 2)
  })
})
