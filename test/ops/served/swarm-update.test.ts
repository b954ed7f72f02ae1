import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { moduleSwarm, ServerHere } from '../../support/server-here.ts'

/** Two bees in a row. Each bee adds its version to the answer, so an answer shows if bees of two versions made it. */
const chain = (name: string, version: string) => `name: ${name}
bees:
  - {name: entrance, type: gateway-input, spec: {name: ${name}}}
  - {name: first, type: module, input: {name: entrance}, spec: {file: ./${version}.mjs, bee: first}}
  - {name: second, type: module, input: {name: first}, spec: {file: ./${version}.mjs, bee: second}}
  - {name: answer, type: respond, input: {name: second}}
`
const steps = (version: string) => `
const later = (value) => new Promise((settle) => setTimeout(settle, 5, value))
export const first = ({ number }) => later({ number, first: '${version}' })
export const second = (input) => later({ ...input, second: '${version}' })
`

interface Row {
  readonly state: string
  readonly version: number
  readonly changed: boolean
  readonly error: { readonly code: string } | null
}

interface Difference {
  readonly topics: object
  readonly requests_in_flight: number
  readonly remarks: readonly string[]
}

describe('An update of a running swarm', () => {
  let server: ServerHere
  before(async () => {
    server = await ServerHere.open()
    for (const version of ['one', 'two']) server.write(`${version}.mjs`, steps(version))
    server.write('broken.mjs', 'export default 5\n')
    await server.call('POST', '/v1/swarms', chain('busy', 'one'))
  })
  after(() => server[Symbol.asyncDispose]())
  const put = async (name: string, text: string, query = '') => {
    const { status, body } = await server.call('PUT', `/v1/swarms/${name}${query}`, text)
    return { status, ...(body as Row & { readonly code: string }) }
  }

  const compare = async (name: string, text: string) => {
    const { status, body } = await server.call('POST', `/v1/swarms/${name}/compare`, text)
    return { status, body: body as Difference & { readonly code: string; readonly detail: string } }
  }

  it('changes nothing if the text is the same', async () => {
    const { status, changed, version } = await put('busy', chain('busy', 'one'))
    assert.deepEqual({ status, changed, version }, { status: 200, changed: false, version: 1 })
  })

  it('answers every request under load, and each request passes bees of only one version', async () => {
    const answers: { readonly number: number; readonly first: string; readonly second: string }[] = []
    let isOver = false
    const caller = async (from: number) => {
      for (let number = from; !isOver || number === from; number += 10) {
        const response = await server.ask('busy', { number })
        assert.equal(response.status, 200, await response.clone().text())
        const answer = (await response.json()) as (typeof answers)[number]
        assert.equal(answer.number, number)
        answers.push(answer)
      }
    }
    const callers = Array.from({ length: 10 }, (_, from) => caller(from))
    while (answers.length < 20) await new Promise((settle) => setTimeout(settle, 5))
    const updated = await put('busy', chain('busy', 'two'))
    const atUpdate = answers.length
    while (answers.length < atUpdate + 20) await new Promise((settle) => setTimeout(settle, 5))
    isOver = true
    await Promise.all(callers)
    assert.deepEqual({ status: updated.status, version: updated.version, changed: updated.changed }, { status: 200, version: 2, changed: true })
    assert.deepEqual(new Set(answers.map(({ first, second }) => `${first} ${second}`)), new Set(['one one', 'two two']))
  })

  it('keeps the older version running if the newer version cannot open, and shows the error', async () => {
    const text = chain('busy', 'two').replace('./two.mjs, bee: second', './broken.mjs')
    const failed = await put('busy', text)
    assert.deepEqual({ status: failed.status, code: failed.code }, { status: 422, code: 'WAGGLE_SWARM_NOT_STARTED' })
    assert.deepEqual(await server.answer('busy', { number: 1 }), { number: 1, first: 'two', second: 'two' })
    const row = (await server.call('GET', '/v1/swarms/busy')).body as Row
    assert.deepEqual(
      { state: row.state, version: row.version, code: row.error?.code },
      { state: 'running', version: 2, code: 'WAGGLE_SWARM_NOT_STARTED' },
    )
  })

  it('is refused while another update is in progress', async () => {
    const both = await Promise.all([put('busy', chain('busy', 'one')), put('busy', `${chain('busy', 'one')}# again\n`)])
    assert.deepEqual(both.map(({ status }) => status).sort(), [200, 409])
    assert.equal(both.find(({ status }) => status === 409)?.code, 'WAGGLE_SWARM_BUSY')
  })

  it('can be rolled back, which makes the earlier version a new version', async () => {
    const { version } = (await server.call('GET', '/v1/swarms/busy')).body as Row
    const back = (await server.call('POST', '/v1/swarms/busy/rollback')).body as Row
    assert.equal(back.version, version + 1)
    assert.deepEqual(await server.answer('busy', { number: 1 }), { number: 1, first: 'two', second: 'two' })
    const first = (await server.call('POST', '/v1/swarms/busy/rollback?version=1')).body as Row
    assert.equal(first.version, version + 2)
    assert.deepEqual(await server.answer('busy', { number: 1 }), { number: 1, first: 'one', second: 'one' })
    assert.equal((await server.call('POST', '/v1/swarms/busy/rollback?version=99')).status, 404)
  })

  it('adds and removes bees without computing earlier requests again', async () => {
    server.write('count.mjs', 'let calls = 0\nexport default (input) => ({ ...input, calls: ++calls })\n')
    const counted = (bees: string, last: string) => `name: grown
bees:
  - {name: entrance, type: gateway-input, spec: {name: grown}}
  - {name: first, type: module, input: {name: entrance}, spec: {file: ./one.mjs, bee: first}}
${bees}  - {name: answer, type: respond, input: {name: ${last}}}
`
    await put('grown', counted('', 'first'))
    for (let number = 0; number < 5; number++) await server.answer('grown', { number })
    await put('grown', counted('  - {name: count, type: module, input: {name: first}, spec: {file: ./count.mjs}}\n', 'count'))
    assert.deepEqual(await server.answer('grown', { number: 9 }), { number: 9, first: 'one', calls: 1 })
    await put('grown', counted('', 'first'))
    assert.deepEqual(await server.answer('grown', { number: 10 }), { number: 10, first: 'one' })
    await put('grown', counted('  - {name: count, type: module, input: {name: first}, spec: {file: ./count.mjs}}\n', 'count'))
    assert.deepEqual(await server.answer('grown', { number: 11 }), { number: 11, first: 'one', calls: 2 })
  })

  it('computes no earlier request again if the swarm was paused meanwhile', async () => {
    server.write('calls.mjs', 'let calls = 0\nexport default (input) => ({ ...input, calls: ++calls })\n')
    const branched = (further: string) => `name: rest
bees:
  - {name: entrance, type: gateway-input, spec: {name: rest}}
  - {name: first, type: module, input: {name: entrance}, spec: {file: ./one.mjs, bee: first}}
  - {name: second, type: module, input: {name: first}, spec: {file: ./one.mjs, bee: second}}
  - {name: answer, type: respond, input: {name: second}}
  - {name: seen, type: kafka-output, input: {name: first}, spec: {topic: seen}}
${further}`
    await put('rest', branched(''))
    for (let number = 0; number < 5; number++) await server.answer('rest', { number })
    await server.call('POST', '/v1/swarms/rest/pause')
    const further = `  - {name: calls, type: module, input: {name: first}, spec: {file: ./calls.mjs}}
  - {name: called, type: kafka-output, input: {name: calls}, spec: {topic: called}}
`
    assert.equal((await put('rest', branched(further))).status, 200)
    await server.call('POST', '/v1/swarms/rest/resume')
    await server.answer('rest', { number: 9 })
    const results = async () => ((await server.call('GET', '/v1/swarms/rest/bees/calls')).body as { readonly results_total: number }).results_total
    while ((await results()) === 0) await new Promise((settle) => setTimeout(settle, 5))
    // If the earlier requests were computed again, they would be computed before this request.
    await server.answer('rest', { number: 10 })
    while ((await results()) === 1) await new Promise((settle) => setTimeout(settle, 5))
    assert.equal(await results(), 2)
  })

  it('also needs accept=true for the state of a paused swarm', async () => {
    server.write('sum.mjs', totals)
    const counting = `name: sum
bees:
  - {name: entrance, type: gateway-input, spec: {name: sum}}
  - {name: total, type: streams, input: {name: entrance}, spec: {file: ./sum.mjs}}
  - {name: answer, type: respond, input: {name: total}}
`
    await put('sum', counting)
    await server.call('POST', '/v1/swarms/sum/pause')
    assert.deepEqual(pickStatus(await put('sum', moduleSwarm('sum', './one.mjs'))), { status: 409, code: 'WAGGLE_UPDATE_NEEDS_ACCEPT' })
    assert.equal((await put('sum', moduleSwarm('sum', './one.mjs'), '?accept=true')).status, 200)
  })

  it('keeps the older version’s answer for a request that is repeated with its idempotency key', async () => {
    await put('same', chain('same', 'one'))
    const headers = { 'idempotency-key': 'k' }
    const before = await (await server.ask('same', { number: 1 }, headers)).json()
    await put('same', chain('same', 'two'))
    assert.deepEqual(await (await server.ask('same', { number: 1 }, headers)).json(), before)
    assert.deepEqual(await server.answer('same', { number: 2 }), { number: 2, first: 'two', second: 'two' })
  })

  it('runs the changed code of a module whose path is the same', async () => {
    server.write('edited.mjs', 'export default () => 1\n')
    await put('edited', moduleSwarm('edited', './edited.mjs'))
    assert.equal(await server.answer('edited', {}), 1)
    server.write('edited.mjs', 'export default () => 22\n')
    await put('edited', `${moduleSwarm('edited', './edited.mjs')}# edited\n`)
    assert.equal(await server.answer('edited', {}), 22)
  })

  it('loads modules again with reload=true, without an edit', async () => {
    const text = moduleSwarm('again', './again.mjs')
    server.write('again.mjs', 'export default () => 1\n')
    await put('again', text)
    const { status, body } = await server.call('PUT', '/v1/swarms/again?reload=true', text)
    assert.equal(status, 200)
    const { changed, version } = body as { readonly changed: boolean; readonly version: number }
    assert.deepEqual({ changed, version }, { changed: true, version: 2 })
  })

  it('needs accept=true if it loses state', async () => {
    server.write('total.mjs', totals)
    const counting = (file: string, bee: string) => `name: state
bees:
  - {name: entrance, type: gateway-input, spec: {name: state}}
  - {name: ${bee}, type: streams, input: {name: entrance}, spec: {file: ${file}}}
  - {name: answer, type: respond, input: {name: ${bee}}}
`
    const made = await put('state', counting('./total.mjs', 'total'))
    assert.equal(made.status, 201, JSON.stringify(made))
    const plain = moduleSwarm('state', './edited.mjs')
    const compared = (await server.call('POST', '/v1/swarms/state/compare', plain)).body as { readonly needs_accept: string[]; readonly bees: object }
    assert.deepEqual(compared.bees, { added: ['work'], removed: ['total'], changed: ['answer'] })
    assert.match(compared.needs_accept.join(), /the state [^ ]+ is given up/)
    assert.deepEqual(pickStatus(await put('state', plain)), { status: 409, code: 'WAGGLE_UPDATE_NEEDS_ACCEPT' })
    assert.equal((await put('state', plain, '?accept=true')).status, 200)
  })

  it('refuses another number of partitions of a topic also with accept=true, and names the ways out', async () => {
    const module = (name: string, count: number) => `import { Repartitioned } from '${new URL('../../../ops/index.ts', import.meta.url).href}'
export default {
  connect: (input) => input.selectKey((_, value) => value.name).repartition(Repartitioned.as('${name}', { numberOfPartitions: ${count} })).mapValues(() => ${count}),
}
`
    const text = (file: string) => `name: spread
bees:
  - {name: entrance, type: gateway-input, spec: {name: spread}}
  - {name: total, type: streams, input: {name: entrance}, spec: {file: ./${file}.mjs}}
  - {name: answer, type: respond, input: {name: total}}
`
    server.write('spread2.mjs', module('mine', 2))
    server.write('spread3.mjs', module('mine', 3))
    server.write('renamed3.mjs', module('other', 3))
    assert.equal((await put('spread', text('spread2'))).status, 201)
    const { status, body } = await server.call('PUT', '/v1/swarms/spread?accept=true', text('spread3'))
    const { code, detail } = body as { readonly code: string; readonly detail: string }
    assert.deepEqual({ status, code }, { status: 422, code: 'WAGGLE_SWARM_NOT_STARTED' })
    assert.match(detail, /has 2 partitions, where 3 are wanted.*numberOfPartitions of a repartition.*another name/)
    const compared = await compare('spread', text('spread3'))
    assert.deepEqual({ ...pickStatus({ ...compared, code: compared.body.code }), detail: compared.body.detail }, { status, code, detail })
    const renamed = await compare('spread', text('renamed3'))
    const topic = (name: string) => `waggle.spread-${name}-repartition`
    assert.deepEqual(renamed.body.topics, { added: [topic('other')], removed: [topic('mine')], changed: [] })
    assert.equal((await put('spread', text('renamed3'))).status, 200)
  })
})

describe('A comparison with the swarm that runs', () => {
  it('counts the requests that the process has accepted and not answered', async () => {
    await using server = await ServerHere.open()
    server.write(
      'gate.mjs',
      `import { existsSync } from 'node:fs'
const gate = ${JSON.stringify(`${server.root}/gate`)}
export default async () => {
  while (!existsSync(gate)) await new Promise((settle) => setTimeout(settle, 5))
  return 'open'
}
`,
    )
    server.write('free.mjs', "export default () => 'free'\n")
    for (const name of ['gate', 'free']) await server.call('POST', '/v1/swarms', moduleSwarm(name, `./${name}.mjs`))
    const inFlight = async (name: string) =>
      ((await server.call('POST', `/v1/swarms/${name}/compare`, moduleSwarm(name, './free.mjs'))).body as Difference).requests_in_flight
    assert.equal(await server.answer('free', {}), 'free')
    const waiting = [server.answer('gate', {}), server.answer('gate', {})]
    assert.equal((await server.call('POST', '/v1/gateways/gate/submit', '{}')).status, 202)
    while ((await inFlight('gate')) < 3) await server.call('GET', '/healthz')
    assert.deepEqual([await inFlight('gate'), await inFlight('free')], [3, 0])
    server.write('gate', '')
    assert.deepEqual(await Promise.all(waiting), ['open', 'open'])
    while ((await inFlight('gate')) > 0) await server.call('GET', '/healthz')
  })

  it('is refused as an update is, if the number of partitions has changed, and reports that the swarm has failed', async () => {
    await using server = await ServerHere.open({ WAGGLE_PARTITIONS: '2' })
    server.write('free.mjs', "export default () => 'free'\n")
    const text = moduleSwarm('free', './free.mjs')
    await server.call('POST', '/v1/swarms', text)
    await server.stop()
    await using again = await ServerHere.open({ WAGGLE_PARTITIONS: '3' }, server.root)
    const refused = async (method: string, path: string) => pickProblem((await again.call(method, path, `${text}# edited\n`)).body)
    const compared = await refused('POST', '/v1/swarms/free/compare')
    assert.deepEqual(compared, await refused('PUT', '/v1/swarms/free'))
    assert.equal(compared.code, 'WAGGLE_SWARM_NOT_STARTED')
    await again.stop()
    again.write('free.mjs', 'export default 5\n')
    await using failed = await ServerHere.open({ WAGGLE_PARTITIONS: '2' }, server.root)
    const { body } = await failed.call('POST', '/v1/swarms/free/compare', text)
    assert.match((body as Difference).remarks.join(), /the swarm has failed, so an update starts it: .*free\.mjs/)
  })

  it('names a gateway of another swarm, as an update does', async () => {
    await using server = await ServerHere.open()
    server.write('free.mjs', "export default () => 'free'\n")
    for (const name of ['one', 'two']) await server.call('POST', '/v1/swarms', moduleSwarm(name, './free.mjs'))
    const text = moduleSwarm('two', './free.mjs').replace('spec: {name: two}', 'spec: {name: one}')
    const [compared, updated] = [await server.call('POST', '/v1/swarms/two/compare', text), await server.call('PUT', '/v1/swarms/two', text)]
    assert.equal(compared.status, 400)
    assert.deepEqual(pickProblem(compared.body), pickProblem(updated.body))
    assert.match(pickProblem(compared.body).detail, /has a gateway named one too/)
  })
})

const pickProblem = (body: unknown) => {
  const { code, detail } = body as { readonly code: string; readonly detail: string }
  return { code, detail }
}

const pickStatus = ({ status, code }: { readonly status: number; readonly code: string }) => ({ status, code })

/** Counts requests by the name in them. */
const totals = `export default {
  connect: (input) => input.selectKey((_, value) => value.name ?? '').groupByKey().count().toStream(),
}
`

describe('An update of a server with five places for requests in flight', () => {
  it('answers a dozen callers that arrive during the wait, and fails a caller whose deadline passes at its deadline', async () => {
    await using server = await ServerHere.open({ WAGGLE_MAX_REQUESTS_IN_FLIGHT: '5' })
    server.write(
      'one.mjs',
      `import { existsSync } from 'node:fs'
const gate = ${JSON.stringify(`${server.root}/gate`)}
export default async () => {
  while (!existsSync(gate)) await new Promise((settle) => setTimeout(settle, 5))
  return 'one'
}
`,
    )
    server.write('two.mjs', "export default () => 'two'\n")
    await server.call('POST', '/v1/swarms', moduleSwarm('few', './one.mjs'))
    const first = server.answer('few', {})
    const updated = server.call('PUT', '/v1/swarms/few', moduleSwarm('few', './two.mjs'))
    const detailAfterOneSecond = async () => {
      const response = await server.ask('few', {}, { 'x-timeout-seconds': '1' })
      assert.equal(response.status, 504)
      return ((await response.json()) as { readonly detail: string }).detail
    }
    const isHeld = async () => (await detailAfterOneSecond()).includes('waited for another version')
    while (!(await isHeld())) assert.equal((await server.call('GET', '/v1/swarms/few')).status, 200)
    const callers = Array.from({ length: 12 }, () => server.ask('few', {}))
    // The older version still has its request, so this caller gets its 504 while the others wait.
    assert.equal(await isHeld(), true)
    server.write('gate', '')
    const answers = await Promise.all(callers.map(async (caller) => `${(await caller).status} ${await (await caller).text()}`))
    assert.deepEqual(answers, Array(12).fill('200 "two"'))
    assert.deepEqual([await first, (await updated).status], ['one', 200])
  })
})
