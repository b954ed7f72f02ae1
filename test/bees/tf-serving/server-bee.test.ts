import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import sharp from 'sharp'
import { checkServer } from '../../../bees/tf-serving/server-bee.ts'
import type { ModelRow } from '../../../topology/swarm/log-management.ts'
import { ModelServer, servingPython } from '../../support/serving/model-server.ts'
import { eventually, SwarmHere } from '../../support/swarm-here.ts'

const found = servingPython()
const skip = 'python' in found || process.env.CI === 'true' ? false : found.missing
const python = 'python' in found ? found.python : 'python3'

describe('A swarm whose model is on a TensorFlow Serving', { skip }, () => {
  const servers: ModelServer[] = []
  const start = async (options?: Parameters<typeof ModelServer.start>[1]): Promise<ModelServer> => {
    const server = await ModelServer.start(python, options)
    servers.push(server)
    return server
  }
  after(() => Promise.all(servers.map((server) => server.stop())))

  const bees = (url: string) => `  - {name: classify, type: tf-serving, input: {name: entrance}, spec: {url: '${url}', labels: [low, middle, high]}}
  - {name: answer, type: respond, input: {name: classify}}`
  const ask = async (swarm: SwarmHere, headers = {}) => {
    const response = await swarm.ask([1, 0, 0, 0], { headers })
    return { status: response.status, ...((await response.json()) as { readonly label?: string; readonly code?: string; readonly detail?: string }) }
  }
  const addresses = ({ http, grpc }: ModelServer) => [`http://127.0.0.1:${http}/v1/models/measures`, `grpc://127.0.0.1:${grpc}/v1/models/measures`]

  it('answers with the server’s predictions, and sends the server a request’s deadline over gRPC', async () => {
    const server = await start()
    for (const url of addresses(server)) {
      await using swarm = await SwarmHere.open({}, { bees: bees(url) })
      const before = server.calls.length
      assert.equal((await ask(swarm, { 'x-timeout-seconds': '7' })).label, 'low')
      const [model] = (await (await fetch(`${swarm.url}/v2/models`)).json()) as readonly ModelRow[]
      assert.deepEqual([model?.bee, model?.model, model?.versions.map(({ state, share }) => `${state} ${share}`)], ['classify', url, ['serving 100']])
      const [call] = await server.callsFrom(before, 1)
      if (url.startsWith('grpc')) assert.ok((call?.remaining ?? 0) > 0 && (call?.remaining ?? 0) <= 7, `${call?.remaining} s`)
    }
  })

  it('sends the server the trace of a request over both protocols, and no trace with a batch of several requests', async () => {
    const server = await start()
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
    const headers = { traceparent: `00-${traceId}-00f067aa0ba902b7-01`, tracestate: 'vendor=1', baggage: 'shop=7' }
    for (const url of addresses(server)) {
      const before = server.calls.length
      {
        await using swarm = await SwarmHere.open({}, { bees: bees(url) })
        assert.equal((await ask(swarm, headers)).label, 'low')
        assert.equal((await ask(swarm)).label, 'low')
      }
      const [traced, untraced] = await server.callsFrom(before, 2)
      assert.match(traced?.trace.traceparent ?? '', new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`))
      assert.deepEqual([traced?.trace.tracestate, traced?.trace.baggage], ['vendor=1', 'shop=7'])
      assert.deepEqual(untraced?.trace, {})
      const pair = `  - {name: pair, type: batch, input: {name: entrance}, spec: {batch_size: 2, timeout_seconds: 20, release: full}}\n${bees(url).replace('{name: entrance}', '{name: pair}')}`
      await using swarm = await SwarmHere.open({ WAGGLE_PARTITIONS: '1' }, { bees: pair })
      const both = await Promise.all([ask(swarm, headers), ask(swarm, headers)])
      assert.deepEqual(
        both.map(({ label }) => label),
        ['low', 'low'],
      )
      const [batch] = await server.callsFrom(before + 2, 1)
      assert.deepEqual([batch?.rows, batch?.trace], [[2], {}])
    }
  })

  it('shows the version in its model’s address, and no version if the server chooses the version', async () => {
    const server = await start()
    for (const [url, version] of addresses(server).flatMap((url) => [[`${url}/versions/3`, '3'] as const, [url, undefined] as const])) {
      await using swarm = await SwarmHere.open({}, { bees: bees(url) })
      const answer = (await (await swarm.ask([1, 0, 0, 0])).json()) as { readonly version?: string }
      assert.equal(answer.version, version)
      const [model] = (await (await fetch(`${swarm.url}/v2/models`)).json()) as readonly ModelRow[]
      assert.equal(model?.versions[0]?.version, version ?? null)
    }
  })

  it('lists its model with the server’s address as the place where it runs, and keeps answering if a reload finds no server', async () => {
    const server = await start()
    const [url = ''] = addresses(server)
    await using swarm = await SwarmHere.open({}, { bees: bees(url) })
    const reload = async () =>
      (await (await fetch(`${swarm.url}/v2/models/${swarm.name}/bees/classify/reload`, { method: 'POST' })).json()) as ModelRow
    const { model, runs_on: runsOn, versions } = await reload()
    assert.deepEqual([model, runsOn], [url, `the TensorFlow Serving at ${url}, version 3`])
    assert.deepEqual(
      versions.map(({ version, state, share }) => [version, state, share]),
      [[null, 'serving', 100]],
    )
    assert.equal((await ask(swarm)).label, 'low')
    await server.stop()
    const refused = await reload()
    assert.equal(refused.refused_total, 1)
    assert.deepEqual(
      refused.versions.map(({ state, error }) => [state, error?.code]),
      [
        ['serving', undefined],
        ['refused', 'WAGGLE_MODEL_SERVER_AWAY'],
      ],
    )
    await start({ http_port: server.http })
    await eventually(async () => (await ask(swarm)).label === 'low')
  })

  it('names the failure while the server is unreachable, and answers when the server is back', async () => {
    const first = await start()
    const ports = { http_port: first.http, grpc_port: first.grpc }
    for (const url of addresses(first)) {
      const server = servers.at(-1) ?? first
      await using swarm = await SwarmHere.open({}, { bees: bees(url) })
      assert.equal((await ask(swarm)).label, 'low')
      await server.stop()
      const failed = await ask(swarm)
      assert.equal(failed.status, 502)
      assert.equal(failed.code, 'WAGGLE_MODEL_SERVER_AWAY')
      assert.match(failed.detail ?? '', /TensorFlow Serving at .*measures (takes no connection|broke off)/)
      await start(ports)
      await eventually(async () => (await ask(swarm)).label === 'low')
    }
  })

  it('starts without the server, and answers when the server is reachable', async () => {
    const first = await start()
    await first.stop()
    for (const url of addresses(first)) {
      await using swarm = await SwarmHere.open({}, { bees: bees(url) })
      assert.ok(swarm.said.some((line) => /^error .*takes no connection.*WAGGLE_MODEL_SERVER_AWAY.*the server is asked again/.test(line)))
      const server = await start({ http_port: first.http, grpc_port: first.grpc })
      await eventually(async () => (await ask(swarm)).label === 'low')
      await server.stop()
    }
  })

  it('prepares pictures in the size that the server’s model takes, even if the server starts later', async () => {
    const first = await start()
    await first.stop()
    const url = `grpc://127.0.0.1:${first.grpc}/v1/models/measures`
    const both = `  - {name: prepare, type: image-preprocess, input: {name: entrance}, spec: {}}
  - {name: classify, type: tf-serving, input: {name: prepare}, spec: {url: '${url}', signature: picture, labels: [red, green, blue]}}
  - {name: answer, type: respond, input: {name: classify}}`
    await using swarm = await SwarmHere.open({}, { bees: both })
    const picture = await sharp({ create: { width: 8, height: 8, channels: 3, background: { r: 250, g: 10, b: 20 } } })
      .png()
      .toBuffer()
    const send = async () => {
      const response = await fetch(`${swarm.url}/v1/gateways/${swarm.name}/request`, {
        method: 'POST',
        headers: { 'content-type': 'image/png' },
        body: new Uint8Array(picture),
      })
      return (await response.json()) as { readonly code?: string; readonly scores?: { readonly [label: string]: number } }
    }
    assert.equal((await send()).code, 'WAGGLE_MODEL_SERVER_AWAY')
    await start({ grpc_port: first.grpc })
    const { scores } = await eventually(async () => {
      const answer = await send()
      return answer.scores === undefined ? null : answer
    })
    assert.deepEqual(scores, { red: 250, green: 10, blue: 20 })
  })
})

describe('A key in the tls of a spec', () => {
  const key = '-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n'
  for (const [what, before] of [
    ['an end of line', '\n'],
    ['spaces', '  '],
    ['the comments of openssl', 'Bag Attributes\n    localKeyID: 01\nKey Attributes: <No Attributes>\n'],
  ] as const)
    it(`is read as a text and not as a path, with ${what} before the key`, async () => {
      const given = Promise.withResolvers<unknown>()
      const context = {
        spec: { url: 'https://127.0.0.1/v1/models/m', tls: { key: `${before}${key}` } },
        resolve: async (path: string) => Promise.reject(new Error(`There is no file ${path}`)),
        ports: { modelServers: { open: async ({ tls }: { readonly tls: unknown }) => Promise.reject(given.resolve(tls)) } },
      } as unknown as Parameters<typeof checkServer>[0]
      await checkServer(context).catch((thrown: unknown) => given.reject(thrown))
      assert.deepEqual(await given.promise, { key })
    })
})
