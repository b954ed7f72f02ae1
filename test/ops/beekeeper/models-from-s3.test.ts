import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { globSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { smallModel } from '../../../ops/bench/small-model.ts'
import { freePort } from '../../support/free-port.ts'
import { describeWithS3, type Env, withEnv } from '../../support/s3-server.ts'
import { savedModelsDirectory } from '../../support/saved-models.ts'
import { SwarmHere } from '../../support/swarm-here.ts'
import { SwitchableProxy } from '../../support/switchable-proxy.ts'
import { turnedModel } from '../../support/turned-model.ts'

const bees = (spec: string) => `  - {name: model, type: tensor-rt, input: {name: entrance}, spec: {${spec}}}
  - {name: answer, type: respond, input: {name: model}}`
const model = smallModel({ features: 4, labels: 2 })
const main = join(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')

describeWithS3('A swarm with a model in a bucket', (server) => {
  const labelsOf = async (swarm: SwarmHere) => {
    const answer = await swarm.ask([1, 0, 9, 9])
    assert.equal(answer.status, 200, await answer.clone().text())
    return Object.keys(((await answer.json()) as { readonly scores: object }).scores)
  }

  it('fetches the model with the labels beside it, and answers', async () => {
    await server().makeBucket('answers')
    await server().put('answers', 'small.onnx', model)
    await server().put('answers', 'small.labels.txt', 'no\nyes\n')
    await withEnv(server().env, async () => {
      await using swarm = await SwarmHere.open({}, { bees: bees('model: "s3://answers/small.onnx"') })
      assert.deepEqual(await labelsOf(swarm), ['no', 'yes'])
    })
  })

  it('fetches a folder of numbered versions, and answers from the highest', async () => {
    await server().makeBucket('numbered')
    for (const version of [1, 2]) await server().put('numbered', `small/${version}/small.onnx`, model)
    await withEnv(server().env, async () => {
      await using swarm = await SwarmHere.open({}, { bees: bees('model: "s3://numbered/small/", labels: [no, yes]') })
      const answer = (await (await swarm.ask([1, 0, 9, 9])).json()) as { readonly version: string }
      assert.equal(answer.version, '2')
    })
  })

  it('fetches SavedModels with their variables, in numbered folders', async () => {
    await server().makeBucket('saved')
    const folder = join(savedModelsDirectory, 'dense')
    for (const file of globSync('**/*', { cwd: folder }).filter((one) => statSync(join(folder, one)).isFile()))
      await server().put('saved', `models/dense/${file}`, readFileSync(join(folder, file)))
    const lines = bees('model: "s3://saved/models/dense", versions: {specific: [2]}').replace('type: tensor-rt', 'type: tf-serving')
    await withEnv(server().env, async () => {
      await using swarm = await SwarmHere.open({}, { bees: lines })
      const answer = await swarm.ask([5.1, 3.5, 1.4, 0.2])
      assert.equal(answer.status, 200, await answer.clone().text())
      assert.equal(((await answer.json()) as { readonly version: string }).version, '2')
    })
  })

  it('fetches labels from an address of their own', async () => {
    await server().makeBucket('labels')
    await server().put('labels', 'names.json', '["wax", "honey"]')
    const files = { 'small.onnx': model }
    await withEnv(server().env, async () => {
      await using swarm = await SwarmHere.open({}, { bees: bees('model: ./small.onnx, labels: "s3://labels/names.json"'), files })
      assert.deepEqual(await labelsOf(swarm), ['wax', 'honey'])
    })
    await using local = await SwarmHere.open(
      {},
      { bees: bees('model: "file:./small.onnx", labels: ./names.txt'), files: { ...files, 'names.txt': 'a\nb\n' } },
    )
    assert.deepEqual(await labelsOf(local), ['a', 'b'])
  })

  it('waits for an unreachable S3, gives the reason in its log and to its callers, and answers when S3 is back', async () => {
    await server().makeBucket('later')
    await server().put('later', 'small.onnx', model)
    await using proxy = await SwitchableProxy.before(server().endpoint)
    proxy.goAway()
    await using run = await runWaggle(bees('model: "s3://later/small.onnx"'), envOf(server().env, proxy.url))
    await run.says(/s3:\/\/later\/small\.onnx cannot be fetched: .*; trying again in 1 s/)
    const answer = await fetch(`http://127.0.0.1:${run.port}/readyz`)
    assert.equal(answer.status, 503)
    assert.match(await answer.text(), /s3:\/\/later\/small\.onnx cannot be fetched/)
    const refused = await fetch(`http://127.0.0.1:${run.port}/v1/gateways/door/request`, { method: 'POST', body: '[1, 0, 9, 9]' })
    assert.equal(refused.status, 503)
    assert.match(
      ((await refused.json()) as { readonly detail: string }).detail,
      /^The swarm is not ready: fetching is .*s3:\/\/later\/small\.onnx cannot be fetched/,
    )
    proxy.comeBack()
    await run.says(/"event":"ready"/)
  })

  it('ends in order on a signal while it waits for an unreachable S3', async () => {
    await using run = await runWaggle(bees('model: "s3://nowhere/small.onnx"'), envOf(server().env, 'http://127.0.0.1:1'))
    await run.says(/trying again in 1 s/)
    run.child.kill('SIGTERM')
    const [status] = (await once(run.child, 'exit')) as [number]
    assert.equal(status, 0)
  })

  it('uses the cached model, with a warning, while S3 is unreachable', async () => {
    await server().makeBucket('cached')
    await server().put('cached', 'small.onnx', model)
    const data = mkdtempSync(join(tmpdir(), 'waggle-cached-'))
    const swarm = { bees: bees('model: "s3://cached/small.onnx", labels: [no, yes]') }
    try {
      await withEnv(server().env, async () => (await SwarmHere.open({ WAGGLE_DATA_DIR: data }, swarm)).stop())
      await withEnv(envOf(server().env, 'http://127.0.0.1:1'), async () => {
        await using again = await SwarmHere.open({ WAGGLE_DATA_DIR: data }, swarm)
        assert.deepEqual(await labelsOf(again), ['no', 'yes'])
        assert.ok(
          again.said.some((line) => /^warn .*ECONNREFUSED.*; the version of .* from the cache is used$/.test(line)),
          again.said.join('\n'),
        )
      })
    } finally {
      rmSync(data, { recursive: true })
    }
  })

  it('does not start with a wrong secret, bucket, key or hash, and names the wrong one', async () => {
    await server().makeBucket('refusals')
    await server().put('refusals', 'small.onnx', model)
    const start = (spec: string, env: Env = server().env) =>
      withEnv(env, async () => {
        await using _ = await SwarmHere.open({}, { bees: bees(spec) })
      })
    const refusals = 'model: "s3://refusals/small.onnx"'
    await assert.rejects(start(refusals, server().envOf('waggle', 'a-wrong-secret')), {
      code: 'WAGGLE_MODEL_REFUSED',
      message: /SignatureDoesNotMatch/,
    })
    await assert.rejects(start('model: "s3://no-such-bucket/small.onnx"'), { code: 'WAGGLE_MODEL_NOT_FOUND', message: /no bucket no-such-bucket/ })
    await assert.rejects(start('model: "s3://refusals/other.onnx"'), { code: 'WAGGLE_MODEL_NOT_FOUND', message: /neither this key/ })
    await assert.rejects(start(`${refusals}, sha256: "${'0'.repeat(64)}"`), { code: 'WAGGLE_MODEL_DIFFERS', message: /and the spec names 0000/ })
    await assert.rejects(start('model: "s3://Refusals/small.onnx"'), { code: 'WAGGLE_MODEL_SOURCE', place: /swarm\.yaml:\d+:\d+/ })
  })

  it('answers from many versions in turn, with a cache that has room for only a few', async () => {
    const model = smallModel({ features: 4, labels: 2 })
    await server().makeBucket('many')
    await server().put('many', 'judge/1/model.onnx', model)
    await withEnv(server().env, async () => {
      const env = { WAGGLE_MODEL_CACHE_BYTES: String(4 * model.length) }
      await using swarm = await SwarmHere.open(env, { bees: bees('model: "s3://many/judge"') })
      for (let version = 2; version <= 7; version++) {
        await server().put('many', `judge/${version}/model.onnx`, model)
        await server().remove('many', `judge/${version - 1}/model.onnx`)
        const reloaded = await fetch(`${swarm.url}/v2/models/${swarm.name}/bees/model/reload`, { method: 'POST' })
        assert.equal(reloaded.status, 200, await reloaded.text())
        const answer = (await (await swarm.ask([1, 0, 0, 0])).json()) as { readonly version: string }
        assert.equal(answer.version, String(version))
      }
    })
  })

  it('answers from the changed file in the bucket after a reload', async () => {
    await server().makeBucket('changing')
    await server().put('changing', 'judge.onnx', smallModel({ features: 4, labels: 2 }))
    await withEnv(server().env, async () => {
      await using swarm = await SwarmHere.open({}, { bees: bees('model: "s3://changing/judge.onnx"') })
      const label = async () => ((await (await swarm.ask([1, 0, 0, 0])).json()) as { readonly label: string }).label
      assert.equal(await label(), '0')
      await server().put('changing', 'judge.onnx', turnedModel())
      const reloaded = await fetch(`${swarm.url}/v2/models/${swarm.name}/bees/model/reload`, { method: 'POST' })
      assert.equal(reloaded.status, 200, await reloaded.text())
      assert.equal(await label(), '1')
    })
  })

  it('answers from a version that is added to the bucket while the swarm runs, after a reload', async () => {
    await server().makeBucket('versions')
    await server().put('versions', 'judge/1/model.onnx', smallModel({ features: 4, labels: 2 }))
    await withEnv(server().env, async () => {
      await using swarm = await SwarmHere.open({}, { bees: bees('model: "s3://versions/judge"') })
      const version = async () => ((await (await swarm.ask([1, 0, 0, 0])).json()) as { readonly version: string }).version
      assert.equal(await version(), '1')
      await server().put('versions', 'judge/2/model.onnx', smallModel({ features: 4, labels: 2 }))
      const reloaded = await fetch(`${swarm.url}/v2/models/${swarm.name}/bees/model/reload`, { method: 'POST' })
      assert.equal(reloaded.status, 200, await reloaded.text())
      assert.equal(await version(), '2')
    })
  })
})

function envOf(env: Env, endpoint: string): Env {
  return { ...env, AWS_ENDPOINT_URL_S3: endpoint }
}

/** `waggle run` of a swarm with these bees. */
async function runWaggle(lines: string, env: Env) {
  const port = await freePort()
  const directory = mkdtempSync(join(tmpdir(), 'waggle-run-s3-'))
  const file = join(directory, 'swarm.yaml')
  writeFileSync(file, `name: fetching\nbees:\n  - {name: entrance, type: gateway-input, spec: {name: door}}\n${lines}\n`)
  const own = { WAGGLE_HTTP_PORT: String(port), WAGGLE_DATA_DIR: join(directory, 'data'), ...env }
  const child = spawn(process.execPath, [main, 'run', file, '--json'], { env: { ...process.env, ...own }, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  let hasEnded = false
  const heard = new EventEmitter()
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said += chunk
      heard.emit('more')
    })
  }
  child.once('close', () => {
    hasEnded = true
    heard.emit('more')
  })
  return {
    child,
    port,
    /** Settles when the output contains this text. */
    async says(what: RegExp) {
      while (!what.test(said)) {
        if (hasEnded) throw new Error(`It ended with ${child.exitCode}: ${said}`)
        await once(heard, 'more')
      }
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL')
        await once(child, 'exit')
      }
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
