import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Gateway, type RequestEvent } from 'waggle-streams/client'
import type { MeasuredProgram } from '../../ops/bench/measured-program.ts'
import { describeWithKafka, type KafkaCluster } from '../support/kafka-cluster.ts'
import { SwarmProcesses } from '../support/swarm-processes.ts'

const parts = 25
const requests = 6
const bees = `  - {name: chat, type: module, timeout_seconds: 120, input: {name: entrance}, spec: {file: ./functions.mjs, bee: chat}}
  - {name: answer, type: respond, input: {name: chat}}`
const functions = `export async function* chat({ parts }, request) {
  yield* request.parts
  for (let at = request.parts.length; at < parts; at++) {
    await new Promise((done) => setTimeout(done, 60))
    yield \`part \${at} of \${process.pid};\`
  }
}
`

describeWithKafka('Parts of results on a cluster', {}, (cluster) => {
  for (const processing of ['at_least_once', 'exactly_once'])
    it(`reach a client that goes on at another process when its own process is killed, none lost, doubled or different, ${processing}`, {
      timeout: 240_000,
    }, async () => {
      await using swarm = await TwoProcesses.start(cluster(), processing)
      let killed: Promise<unknown> | null = null
      const streams = await swarm.streams(({ number }) => {
        if (number !== 5 || killed !== null) return
        swarm.asked = swarm.two
        killed = swarm.one.kill('with its children')
      })
      assert.equal(runsOf(streams).size, 2, 'both processes have computed parts')
    })

  it('come from one run only, even if a frozen process goes on while another process has its tasks', { timeout: 240_000 }, async () => {
    await using swarm = await TwoProcesses.start(cluster(), 'at_least_once')
    swarm.asked = swarm.two
    let state: 'runs' | 'frozen' | 'thawed' = 'runs'
    const streams = await swarm.streams(({ number }) => {
      if (number === 5 && state === 'runs') {
        swarm.one.freeze()
        state = 'frozen'
      }
      // The frozen process has unpublished parts, and publishes them when it goes on.
      if (number > 12 && state === 'frozen' && swarm.resumed.size > 0) {
        swarm.one.thaw()
        state = 'thawed'
      }
    })
    assert.equal(state, 'thawed')
    assert.equal(runsOf(streams).size, 2, 'both processes have computed parts')
  })
})

type Part = Extract<RequestEvent, { kind: 'part' }>

class TwoProcesses implements AsyncDisposable {
  readonly #swarm: SwarmProcesses
  readonly one: MeasuredProgram
  readonly two: MeasuredProgram
  /** The process at the address that the client asks. */
  asked: MeasuredProgram
  /** The requests whose parts come from both processes. */
  readonly resumed = new Set<number>()

  private constructor(swarm: SwarmProcesses, one: MeasuredProgram, two: MeasuredProgram) {
    this.#swarm = swarm
    this.one = one
    this.two = two
    this.asked = one
  }

  static async start({ brokers }: KafkaCluster, processing: string): Promise<TwoProcesses> {
    const env = { WAGGLE_PROCESSING: processing, WAGGLE_SESSION_TIMEOUT_MS: '6000' }
    const swarm = new SwarmProcesses({ bees, functions, brokers, env })
    return new TwoProcesses(swarm, await swarm.start('one'), await swarm.start('two'))
  }

  /** The parts of several requests at the same time. Checks that no part is lost, doubled or different, and that the answers consist of the parts. */
  async streams(onPart: (part: Part) => void): Promise<readonly (readonly Part[])[]> {
    const toAsked: typeof fetch = (input, init) => fetch(String(input).replace('http://waggle.test', this.asked.ready.gateway), init)
    const gateway = new Gateway('http://waggle.test', { timeoutMs: 120_000, fetch: toAsked })
    return Promise.all(
      Array.from({ length: requests }, async (_, request) => {
        const got: Part[] = []
        let answer: unknown = null
        for await (const event of gateway.stream({ parts }, { gateway: this.#swarm.gateway })) {
          if (event.kind === 'answer') answer = event.answer
          if (event.kind !== 'part') continue
          if (got.length > 0 && runOf(got.at(-1)?.part) !== runOf(event.part)) this.resumed.add(request)
          got.push(event)
          onPart(event)
        }
        assert.deepEqual(
          got.map(({ number, part }) => `${number} ${String(part).replace(/ of .*/, '')}`),
          Array.from({ length: parts }, (_, at) => `${at} part ${at}`),
        )
        assert.equal(answer, got.map(({ part }) => part).join(''))
        return got
      }),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.one.thaw()
    await this.#swarm.waggle('two', ['reset', this.#swarm.file, '--force', '--gateways'])
    await this.#swarm.close()
  }
}

function runOf(part: unknown): string {
  return String(part).replace(/^.* of /, '')
}

function runsOf(streams: readonly (readonly Part[])[]): ReadonlySet<string> {
  return new Set(streams.flat().map(({ part }) => runOf(part)))
}
