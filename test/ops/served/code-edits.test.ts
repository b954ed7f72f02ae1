import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { moduleSwarm, ServerHere } from '../../support/server-here.ts'

interface Row {
  readonly state: string
  readonly version: number
  readonly changed: boolean
  readonly remarks: readonly string[]
  readonly code: string
  readonly detail: string
}

interface Detail {
  readonly versions: readonly { readonly version: number; readonly changed_files: readonly string[] | null }[]
}

describe('An edit of a file of code', () => {
  let server: ServerHere
  before(async () => {
    server = await ServerHere.open()
  })
  after(() => server[Symbol.asyncDispose]())
  const put = async (name: string, text: string, query = '') => {
    const { status, body } = await server.call('PUT', `/v1/swarms/${name}${query}`, text)
    const { version, changed } = body as Row
    return { status, version, changed, body: body as Row }
  }
  const shortly = ({ version, changed }: { readonly version: number; readonly changed: boolean }) => ({ version, changed })
  const changedFiles = async (name: string) =>
    ((await server.call('GET', `/v1/swarms/${name}`)).body as Detail).versions.map(({ changed_files: changed }) => changed)

  for (const [kind, file, source] of [
    ['an ES module', 'bear.mjs', (number: number) => `export default () => ${number}\n`],
    ['a TypeScript module', 'bear.ts', (number: number) => `export default (): number => ${number}\n`],
    ['a CommonJS module', 'bear.cjs', (number: number) => `module.exports = () => ${number}\n`],
  ] as const) {
    it(`makes a new version that runs ${kind} as it is now, and the same files again change nothing`, async () => {
      const name = file.replace('.', '-')
      const text = moduleSwarm(name, `./${file}`)
      server.write(file, source(1))
      await put(name, text)
      assert.deepEqual(shortly(await put(name, text)), { version: 1, changed: false })
      assert.equal(await server.answer(name, {}), 1)
      server.write(file, source(2))
      const compared = (await server.call('POST', `/v1/swarms/${name}/compare`, text)).body as { readonly files: unknown }
      assert.deepEqual(compared.files, [{ file, bees: ['work'] }])
      assert.deepEqual(shortly(await put(name, text)), { version: 2, changed: true })
      assert.equal(await server.answer(name, {}), 2)
      assert.deepEqual(shortly(await put(name, text)), { version: 2, changed: false })
    })
  }

  it('counts in a file that a module imports, and names each bee that runs it', async () => {
    server.write('lib/word.mjs', "export const word = 'old'\n")
    server.write('lib/plain.js', "module.exports = 'old'\n")
    server.write('first.mjs', "import { word } from './lib/word.mjs'\nexport default () => word\n")
    server.write('second.cjs', "const plain = require('./lib/plain')\nmodule.exports = (input) => [input, plain]\n")
    server.write('third.mjs', "import { word } from './lib/word.mjs'\nexport default (input) => [...input, word]\n")
    const text = `name: deep
bees:
  - {name: entrance, type: gateway-input, spec: {name: deep}}
  - {name: first, type: module, input: {name: entrance}, spec: {file: ./first.mjs}}
  - {name: second, type: module, input: {name: first}, spec: {file: ./second.cjs}}
  - {name: third, type: module, input: {name: second}, spec: {file: ./third.mjs}}
  - {name: answer, type: respond, input: {name: third}}
`
    const made = await put('deep', text)
    assert.equal(made.status, 201, JSON.stringify(made.body))
    assert.deepEqual(await server.answer('deep', {}), ['old', 'old', 'old'])
    server.write('lib/word.mjs', "export const word = 'newer'\n")
    server.write('lib/plain.js', "module.exports = 'newest'\n")
    const compared = (await server.call('POST', '/v1/swarms/deep/compare', text)).body as { readonly files: unknown }
    assert.deepEqual(compared.files, [
      { file: 'lib/word.mjs', bees: ['first', 'third'] },
      { file: 'lib/plain.js', bees: ['second'] },
    ])
    assert.deepEqual(shortly(await put('deep', text)), { version: 2, changed: true })
    assert.deepEqual(await server.answer('deep', {}), ['newer', 'newest', 'newer'])
  })

  it('that fails to load leaves the older version running, and is tried again by the next update', async () => {
    const text = moduleSwarm('wrong', './wrong.mjs')
    server.write('wrong.mjs', 'export default () => 1\n')
    await put('wrong', text)
    server.write('wrong.mjs', 'export default 5\n')
    assert.equal((await put('wrong', text)).status, 422)
    assert.equal(await server.answer('wrong', {}), 1)
    server.write('wrong.mjs', 'export default () => 2\n')
    assert.deepEqual(shortly(await put('wrong', text)), { version: 2, changed: true })
    assert.equal(await server.answer('wrong', {}), 2)
  })

  it('makes a roll-back need accept=true, which names the files, because only the text comes back', async () => {
    const text = moduleSwarm('back', './back.mjs')
    server.write('back.mjs', 'export default () => 1\n')
    await put('back', text)
    server.write('back.mjs', 'export default () => 2\n')
    await put('back', text)
    assert.deepEqual(await changedFiles('back'), [['back.mjs'], []])
    const { status, body } = await server.call('POST', '/v1/swarms/back/rollback?version=1')
    const refused = body as Row
    assert.deepEqual({ status, code: refused.code }, { status: 409, code: 'WAGGLE_UPDATE_NEEDS_ACCEPT' })
    assert.match(refused.detail, /version 1 ran other files.*back\.mjs changed since/)
    const accepted = (await server.call('POST', '/v1/swarms/back/rollback?version=1&accept=true')).body as Row
    assert.deepEqual(shortly(accepted), { version: 2, changed: false })
    assert.match(accepted.remarks.join(), /version 1 ran other files.*back\.mjs/)
    server.write('back.mjs', 'export default () => 1\n')
    const back = (await server.call('POST', '/v1/swarms/back/rollback?version=1')).body as Row
    assert.deepEqual({ ...shortly(back), remarks: back.remarks }, { version: 3, changed: true, remarks: [] })
    assert.equal(await server.answer('back', {}), 1)
    assert.deepEqual(await changedFiles('back'), [[], ['back.mjs'], []])
  })

  it('names the lost state and the other files together when a roll-back would lose both', async () => {
    server.write('plain.mjs', 'export default () => 1\n')
    server.write(
      'count.mjs',
      "export default { connect: (input) => input.selectKey((_, value) => value.name ?? '').groupByKey().count().toStream() }\n",
    )
    await put('both', moduleSwarm('both', './plain.mjs'))
    await put('both', moduleSwarm('both', './count.mjs').replace('type: module', 'type: streams'))
    server.write('plain.mjs', 'export default () => 2\n')
    const refused = (await server.call('POST', '/v1/swarms/both/rollback')).body as Row
    assert.match(refused.detail, /the state [^ ]+ is given up.*version 1 ran other files.*plain\.mjs/)
  })
})

describe('A server that starts again after an edit of a file of code', () => {
  it('runs the edited code, says so in its log, and makes a version of it at the next update', async () => {
    await using server = await ServerHere.open()
    const text = moduleSwarm('kept', './kept.mjs')
    server.write('kept.mjs', 'export default () => 1\n')
    await server.call('POST', '/v1/swarms', text)
    await server.stop()
    server.write('kept.mjs', 'export default () => 2\n')
    await server.start()
    assert.equal(await server.answer('kept', {}), 2)
    assert.equal(server.said.filter((line) => /warn version 1 runs with other files of code.*kept\.mjs/.test(line)).length, 1)
    const updated = (await server.call('PUT', '/v1/swarms/kept', text)).body as Row
    assert.deepEqual({ version: updated.version, changed: updated.changed }, { version: 2, changed: true })
  })

  it('reports that a version of an older Waggle has no hashes, and changes nothing', async () => {
    await using server = await ServerHere.open()
    const text = moduleSwarm('older', './older.mjs')
    server.write('older.mjs', 'export default () => 1\n')
    await server.call('POST', '/v1/swarms', text)
    await server.stop()
    await server.define('older', text)
    await server.start()
    const { version, changed, remarks } = (await server.call('PUT', '/v1/swarms/older', text)).body as Row
    assert.deepEqual({ version, changed }, { version: 2, changed: false })
    assert.match(remarks.join(), /version 2 has no hashes of its files.*--reload/)
    const { versions } = (await server.call('GET', '/v1/swarms/older')).body as Detail
    assert.deepEqual(
      versions.map(({ changed_files: files }) => files),
      [[], null],
    )
  })
})
