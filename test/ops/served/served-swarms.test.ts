import assert from 'node:assert/strict'
import { renameSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { moduleSwarm, ServerHere } from '../../support/server-here.ts'

const greet = (word: string) => `export default ({ name }) => ({ said: '${word} ' + name })\n`

describe('A server without swarms', () => {
  let server: ServerHere
  before(async () => {
    server = await ServerHere.open()
    server.write('hello.mjs', greet('Hello'))
    server.write('bye.mjs', greet('Bye'))
    server.write('broken.mjs', 'export default 5\n')
  })
  after(() => server[Symbol.asyncDispose]())

  it('is alive and ready, and lists no swarm', async () => {
    assert.deepEqual(await server.call('GET', '/v1/swarms'), { status: 200, body: [] })
    assert.equal((await server.call('GET', '/healthz')).status, 200)
    assert.deepEqual(await server.call('GET', '/readyz'), { status: 200, body: { status: 'ready' } })
  })

  it('runs a swarm from its creation to its removal without a restart', async () => {
    const made = await server.call('POST', '/v1/swarms', moduleSwarm('one', './hello.mjs'))
    assert.equal(made.status, 201, JSON.stringify(made.body))
    assert.deepEqual(pick(made.body, ['name', 'state', 'version', 'source', 'gateways', 'error']), {
      name: 'one',
      state: 'running',
      version: 1,
      source: 'api',
      gateways: ['one'],
      error: null,
    })
    assert.deepEqual(await server.answer('one', { name: 'Ada' }), { said: 'Hello Ada' })
    assert.equal(pick((await server.call('GET', '/v1/swarms/one')).body, ['definition']).definition, moduleSwarm('one', './hello.mjs'))

    assert.equal(pick((await server.call('POST', '/v1/swarms/one/pause')).body, ['state']).state, 'paused')
    const refused = await server.ask('one', { name: 'Ada' })
    assert.equal(refused.status, 503)
    assert.match(pick(await refused.json(), ['detail']).detail as string, /one is paused/)
    assert.equal((await server.call('GET', '/readyz')).status, 200)
    assert.equal(pick((await server.call('POST', '/v1/swarms/one/resume')).body, ['state']).state, 'running')
    assert.deepEqual(await server.answer('one', { name: 'Bo' }), { said: 'Hello Bo' })

    assert.deepEqual(await server.call('DELETE', '/v1/swarms/one'), { status: 204, body: null })
    assert.equal((await server.ask('one', { name: 'Ada' })).status, 404)
    assert.equal((await server.call('GET', '/v1/swarms/one')).status, 404)
  })

  it('reports the outcomes of a paused swarm’s requests, and whether a request is known', async () => {
    await server.call('POST', '/v1/swarms', moduleSwarm('resting', './hello.mjs'))
    const asked = await server.ask('resting', { name: 'Ada' })
    const id = asked.headers.get('x-request-id')
    const found = async (request: string | null) => server.call('GET', `/v1/requests/${request}`)
    assert.equal((await server.call('POST', '/v1/swarms/resting/pause')).status, 200)
    assert.deepEqual(pick((await found(id)).body, ['state', 'answer']), { state: 'answered', answer: { said: 'Hello Ada' } })
    assert.equal((await found('0198f3c2-7d51-7c3a-9d53-0242ac120002')).status, 404)
    assert.equal((await server.call('POST', '/v1/swarms/resting/resume')).status, 200)
    assert.equal(pick((await found(id)).body, ['state']).state, 'answered')
    assert.equal((await server.call('DELETE', '/v1/swarms/resting')).status, 204)
    assert.equal((await found(id)).status, 404)
  })

  it('refuses a swarm with mistakes, and reports each mistake with line and column', async () => {
    const { status, body } = await server.call('POST', '/v1/swarms', 'name: bad\nbees:\n  - {name: a, type: respnd}\n')
    assert.equal(status, 400)
    assert.deepEqual(pick(body, ['code', 'mistakes']), {
      code: 'WAGGLE_INVALID_SWARM',
      mistakes: [
        {
          file: 'swarm.yaml',
          line: 3,
          column: 21,
          code: 'WAGGLE_SWARM_MISTAKE',
          message: 'there is no bee type respnd',
          next: 'did you mean respond?',
        },
      ],
    })
  })

  it('validates a swarm with the same result as the command, and creates nothing', async () => {
    const good = await server.call('POST', '/v1/swarms/validate', moduleSwarm('seen', './hello.mjs'))
    assert.deepEqual(pick(good.body, ['valid', 'name', 'bees', 'mistakes']), { valid: true, name: 'seen', bees: 3, mistakes: [] })
    const wrong = await server.call('POST', '/v1/swarms/validate?file=my.yaml', moduleSwarm('seen', './missing.mjs'))
    const { valid, mistakes } = pick(wrong.body, ['valid', 'mistakes'])
    assert.equal(valid, false)
    assert.deepEqual(pick((mistakes as unknown[])[0], ['file', 'line']), { file: 'my.yaml', line: 4 })
    assert.deepEqual((await server.call('GET', '/v1/swarms')).body, [])
  })

  it('keeps no part of a swarm whose bee cannot be opened', async () => {
    const { status, body } = await server.call('POST', '/v1/swarms', moduleSwarm('broken', './broken.mjs'))
    assert.equal(status, 422)
    assert.equal(pick(body, ['code']).code, 'WAGGLE_SWARM_NOT_STARTED')
    assert.deepEqual((await server.call('GET', '/v1/swarms')).body, [])
    assert.equal((await server.ask('broken', {})).status, 404)
  })

  it('refuses a second swarm with the same name, and a swarm with a gateway of another swarm', async () => {
    await server.call('POST', '/v1/swarms', moduleSwarm('taken', './hello.mjs'))
    assert.equal((await server.call('POST', '/v1/swarms', moduleSwarm('taken', './hello.mjs'))).status, 409)
    const other = await server.call('POST', '/v1/swarms', moduleSwarm('taken', './hello.mjs').replace('name: taken\n', 'name: other\n'))
    assert.equal(other.status, 400)
    assert.match(JSON.stringify(other.body), /has a gateway named taken too/)
    await server.call('DELETE', '/v1/swarms/taken')
  })

  for (const [how, file] of [
    ['an absolute path', '/etc/hostname'],
    ['a path that climbs out', '../../../../etc/hostname'],
    ['a link that leads out', './link'],
    ['a file: address', 'file:///etc/hostname'],
  ] as const) {
    it(`refuses a file outside of its directory, named by ${how}`, async () => {
      if (file === './link') symlinkSync('/etc/hostname', join(server.root, 'link'))
      const { status, body } = await server.call('POST', '/v1/swarms', moduleSwarm('out', file))
      assert.equal(status, 422)
      assert.doesNotMatch(JSON.stringify(body), new RegExp(server.root))
    })
  }

  it('refuses a `directory` that is missing or outside of the server’s directory', async () => {
    for (const directory of ['..', '/etc', 'nowhere'])
      assert.equal(
        (await server.call('POST', `/v1/swarms?directory=${encodeURIComponent(directory)}`, moduleSwarm('out', './hello.mjs'))).status,
        422,
      )
  })

  it('reads relative paths from the directory that the call names', async () => {
    server.write('inner/own.mjs', greet('Inner'))
    assert.equal((await server.call('POST', '/v1/swarms?directory=inner', moduleSwarm('inner', './own.mjs'))).status, 201)
    assert.deepEqual(await server.answer('inner', { name: 'Ada' }), { said: 'Inner Ada' })
    await server.call('DELETE', '/v1/swarms/inner')
  })

  it('accepts a swarm as JSON', async () => {
    const swarm = {
      name: 'json',
      bees: [
        { name: 'entrance', type: 'gateway-input', spec: { name: 'json' } },
        { name: 'work', type: 'module', input: { name: 'entrance' }, spec: { file: './hello.mjs' } },
        { name: 'answer', type: 'respond', input: { name: 'work' } },
      ],
    }
    assert.equal((await server.call('POST', '/v1/swarms', JSON.stringify(swarm, null, 2))).status, 201)
    assert.deepEqual(await server.answer('json', { name: 'Ada' }), { said: 'Hello Ada' })
    await server.call('DELETE', '/v1/swarms/json')
  })

  it('shows the bees of a swarm with the counts of their calls', async () => {
    await server.call('POST', '/v1/swarms', moduleSwarm('counted', './hello.mjs'))
    await server.answer('counted', { name: 'Ada' })
    const bees = (await server.call('GET', '/v1/swarms/counted/bees')).body as { readonly name: string }[]
    assert.deepEqual(
      bees.map(({ name }) => name),
      ['entrance', 'work', 'answer'],
    )
    const work = await server.call('GET', '/v1/swarms/counted/bees/work')
    assert.deepEqual(pick(work.body, ['type', 'results_total', 'failed_total']), { type: 'module', results_total: 1, failed_total: 0 })
    assert.equal((await server.call('GET', '/v1/swarms/counted/bees/wrk')).status, 404)
    await server.call('DELETE', '/v1/swarms/counted')
  })

  it('starts from the beginning with a swarm that was removed with its data, and continues a swarm whose data was kept', async () => {
    const said = async () => (await (await server.ask('anew', { name: 'Ada' }, { 'idempotency-key': 'k' })).json()) as unknown
    await server.call('POST', '/v1/swarms', moduleSwarm('anew', './hello.mjs'))
    assert.deepEqual(await said(), { said: 'Hello Ada' })
    await server.call('DELETE', '/v1/swarms/anew')
    await server.call('POST', '/v1/swarms', moduleSwarm('anew', './bye.mjs'))
    assert.deepEqual(await said(), { said: 'Hello Ada' })
    assert.equal((await server.call('DELETE', '/v1/swarms/anew?purge=true')).status, 204)
    await server.call('POST', '/v1/swarms', moduleSwarm('anew', './bye.mjs'))
    assert.deepEqual(await said(), { said: 'Bye Ada' })
    await server.call('DELETE', '/v1/swarms/anew')
  })

  it('computes no request of a removed swarm again in a swarm that takes over the gateway', async () => {
    server.write('calls.mjs', 'let calls = 0\nexport default () => ++calls\n')
    await server.call('POST', '/v1/swarms', moduleSwarm('heir', './hello.mjs'))
    for (const name of ['Ada', 'Bo', 'Cy']) await server.answer('heir', { name })
    await server.call('DELETE', '/v1/swarms/heir')
    await server.call('POST', '/v1/swarms', moduleSwarm('heir', './calls.mjs').replace('name: heir\n', 'name: other\n'))
    assert.equal(await server.answer('heir', {}), 1)
    await server.call('DELETE', '/v1/swarms/other')
  })

  it('describes its routes in OpenAPI', async () => {
    const { paths } = pick((await server.call('GET', '/openapi.json')).body, ['paths'])
    for (const path of ['/v1/swarms', '/v1/swarms/{swarm}', '/v1/swarms/validate', '/v1/swarms/{swarm}/pause'])
      assert.ok(Object.hasOwn(paths as object, path), path)
  })
})

it('A secret that is stored after a server’s start does not appear in the server’s log', async () => {
  await using server = await ServerHere.open({ WAGGLE_SECRETS_KEY: '0'.repeat(64) })
  assert.equal((await server.call('PUT', '/v1/secrets/late', 'honey-is-late')).status, 204)
  const away = `name: away
bees:
  - {name: entrance, type: gateway-input, spec: {name: away}}
  - {name: work, type: tf-serving, input: {name: entrance}, spec: {url: 'http://127.0.0.1:1/v1/models/{{ secrets.late }}', labels: [a]}}
  - {name: answer, type: respond, input: {name: work}}
`
  const made = await server.call('POST', '/v1/swarms', away)
  const lines = (await server.call('GET', '/v1/swarms/away/bees/work/logs')).body
  assert.match(JSON.stringify([made.body, lines]), /secrets.late/)
  assert.doesNotMatch(JSON.stringify([made.body, lines, server.said]), /honey-is-late/)
})

describe('A server that restarts', () => {
  it('runs the swarms of its earlier run, in the same version and state', async () => {
    await using server = await ServerHere.open()
    server.write('hello.mjs', greet('Hello'))
    for (const name of ['kept', 'paused', 'gone']) await server.call('POST', '/v1/swarms', moduleSwarm(name, './hello.mjs'))
    await server.call('POST', '/v1/swarms/paused/pause')
    await server.call('DELETE', '/v1/swarms/gone')
    await server.stop()
    await server.start()
    const rows = (await server.call('GET', '/v1/swarms')).body as readonly object[]
    assert.deepEqual(
      rows.map((row) => pick(row, ['name', 'state', 'version'])),
      [
        { name: 'kept', state: 'running', version: 1 },
        { name: 'paused', state: 'paused', version: 1 },
      ],
    )
    assert.deepEqual(await server.answer('kept', { name: 'Ada' }), { said: 'Hello Ada' })
    assert.equal((await server.ask('paused', { name: 'Ada' })).status, 503)
    // The ledger of the paused swarm was not opened, so nobody can say whether there is such a request.
    assert.equal((await server.call('GET', '/v1/requests/0198f3c2-7d51-7c3a-9d53-0242ac120002')).status, 503)
  })

  it('lists a swarm that can no longer start with its error, and runs the other swarms', async () => {
    await using server = await ServerHere.open()
    server.write('hello.mjs', greet('Hello'))
    server.write('lost.mjs', greet('Lost'))
    await server.call('POST', '/v1/swarms', moduleSwarm('well', './hello.mjs'))
    await server.call('POST', '/v1/swarms', moduleSwarm('lost', './lost.mjs'))
    await server.stop()
    server.write('lost.mjs', 'not a module')
    await server.start()
    const lost = await server.call('GET', '/v1/swarms/lost')
    assert.equal(pick(lost.body, ['state']).state, 'failed')
    assert.equal(pick(pick(lost.body, ['error']).error, ['code']).code, 'WAGGLE_SWARM_NOT_STARTED')
    assert.equal((await server.ask('lost', {})).status, 503)
    assert.deepEqual(await server.answer('well', { name: 'Ada' }), { said: 'Hello Ada' })
    assert.equal((await server.call('GET', '/readyz')).status, 200)
  })

  it('leaves a gateway with the swarm that has it, and runs another swarm with that gateway after the gateway is free', async () => {
    await using server = await ServerHere.open()
    server.write('hello.mjs', greet('Hello'))
    server.write('bye.mjs', greet('Bye'))
    await server.call('POST', '/v1/swarms', moduleSwarm('first', './hello.mjs'))
    await server.call('POST', '/v1/swarms', moduleSwarm('later', './bye.mjs'))
    await server.call('POST', '/v1/swarms/first/pause')
    await server.stop()
    // Another server on the log may have created both swarms at the same time.
    await server.define('later', moduleSwarm('first', './bye.mjs').replace('name: first\n', 'name: later\n'))
    await server.start()
    const later = await server.call('GET', '/v1/swarms/later')
    assert.equal(pick(later.body, ['state']).state, 'failed')
    assert.equal((await server.call('POST', '/v1/swarms/first/resume')).status, 200)
    assert.equal((await server.call('POST', '/v1/swarms/later/resume')).status, 400)
    assert.deepEqual(await server.answer('first', { name: 'Ada' }), { said: 'Hello Ada' })
    await server.call('POST', '/v1/swarms/later/pause')
    assert.deepEqual(await server.answer('first', { name: 'Ada' }), { said: 'Hello Ada' })
    await server.call('DELETE', '/v1/swarms/first')
    assert.equal((await server.call('POST', '/v1/swarms/later/resume')).status, 200)
    assert.deepEqual(await server.answer('first', { name: 'Ada' }), { said: 'Bye Ada' })
  })

  it('finds a folder that was missing at the start when its swarm is resumed, and does not remove the swarm’s data without that folder', async () => {
    await using server = await ServerHere.open()
    server.write('inner/own.mjs', greet('Inner'))
    await server.call('POST', '/v1/swarms?directory=inner', moduleSwarm('inner', './own.mjs'))
    await server.stop()
    renameSync(join(server.root, 'inner'), join(server.root, 'away'))
    await server.start()
    assert.equal((await server.call('POST', '/v1/swarms/inner/resume')).status, 422)
    assert.equal((await server.call('DELETE', '/v1/swarms/inner?purge=true')).status, 422)
    renameSync(join(server.root, 'away'), join(server.root, 'inner'))
    assert.equal((await server.call('POST', '/v1/swarms/inner/resume')).status, 200)
    assert.deepEqual(await server.answer('inner', { name: 'Ada' }), { said: 'Inner Ada' })
  })
})

/** A copy of an object with only these members. */
function pick(value: unknown, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, Reflect.get(value as object, name)]))
}
