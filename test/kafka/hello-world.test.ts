import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, it } from 'node:test'
import { MeasuredProgram } from '../../ops/bench/measured-program.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'

const repository = resolve(import.meta.dirname, '..', '..')
const main = join(repository, 'ops', 'cli', 'main.ts')
const file = join(repository, 'swarms', 'hello-world', 'swarm.yaml')

describeWithKafka('swarms/hello-world on a cluster', { own: true }, (cluster) => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-hello-'))
  after(() => rmSync(directory, { recursive: true, force: true }))

  const envOf = (more: { readonly [variable: string]: string }) => ({
    KAFKA_BROKERS: cluster().brokers.join(','),
    WAGGLE_DATA_DIR: directory,
    WAGGLE_HTTP_PORT: '0',
    ...more,
  })

  async function greeted(program: MeasuredProgram, body: string): Promise<readonly [number, unknown]> {
    const init = { method: 'POST', body, headers: { 'content-type': 'application/json' } }
    const response = await fetch(`${program.ready.gateway}/v1/gateways/hello/request`, init)
    return [response.status, await response.json()]
  }

  for (const [by, env] of Object.entries({
    'by --log': {},
    'by kafkajs': { KAFKA_CLIENT: 'kafkajs' },
    'exactly once': { WAGGLE_PROCESSING: 'exactly_once', WAGGLE_INSTANCE: 'one' },
  })) {
    it(`answers and refuses as in one process: ${by}`, async () => {
      const program = await MeasuredProgram.start([main, 'run', file, '--log', 'kafka', '--json'], envOf(env))
      assert.deepEqual(await greeted(program, '{"name":"bear"}'), [200, { greeting: 'Hello, bear!' }])
      const [status, problem] = await greeted(program, '{}')
      assert.deepEqual([status, (problem as { bee: string }).bee], [422, 'greet'])
      assert.equal(await program.stop(), 0)
    })
  }

  it('fails at start if a topic has another number of partitions, and names the topic', async () => {
    const ran = await new Promise<{ readonly status: unknown; readonly err: string }>((settle) => {
      const env = { ...process.env, ...envOf({ WAGGLE_PARTITIONS: '3', WAGGLE_LOG: 'kafka' }) }
      execFile(process.execPath, [main, 'run', file], { env }, (error, _, err) => settle({ status: error?.code, err }))
    })
    assert.equal(ran.status, 1)
    assert.match(ran.err, /^waggle: The topic waggle\.\S+ has 4 partitions, where 3 are wanted\. .+\n$/m)
  })
})
