import { SimulatedClock } from '../../processor/simulation/simulated-clock.ts'
import { aFunction, aName, aNumber, anything, type Kind, optionsOf, parameters, refuseWrong } from '../../topology/streams/argument-kinds.ts'
import { gatewayOf } from '../../topology/swarm/checked-swarm.ts'
import type { SwarmDefinition } from '../../topology/swarm/swarm-definition.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type SwarmSource, sourceOfDefinition, sourceOfFile } from '../swarms/swarm-source.ts'
import { type DeadLetterSeen, DrivenSwarm } from './driven-swarm.ts'
import { type Fakes, unknownBee, withFakes } from './fake-models.ts'
import { MemoryDatabase } from './memory-database.ts'
import type { Answer } from './test-requests.ts'

export interface SwarmTestOptions {
  /** Functions that replace bees, by the names of the bees. Every other bee is real. */
  readonly models?: Fakes
  /** The start of the clock, in epoch ms. Default: 0. */
  readonly startTimeMs?: number
}

/**
 * Runs a whole swarm in a test: its real graph, tasks and bees. The clock moves only by hand, and the log and the database are in memory. Nothing
 * listens on a port, and nothing is written to the disk.
 *
 * @example
 * ```ts
 * await using driver = new SwarmTestDriver('swarm.yaml', { models: { classify: () => ({ label: 'bear', scores: { bear: 1 } }) } })
 * const { status, body } = await driver.request({ name: 'Petzi' })
 * ```
 */
export class SwarmTestDriver implements AsyncDisposable {
  readonly #source: SwarmSource
  readonly #clock: SimulatedClock
  readonly #database = new MemoryDatabase()
  #opening: Promise<DrivenSwarm> | null = null
  #swarm: DrivenSwarm | null = null

  /**
   * Takes the path of a swarm file, or a definition as for `defineSwarm`. Bees open with the first request.
   *
   * @remarks Throws WAGGLE_INVALID_SWARM with every mistake of the swarm, and WAGGLE_UNKNOWN_BEE for a fake whose name is not the name of a bee.
   */
  constructor(swarm: string | SwarmDefinition, options: SwarmTestOptions = {}) {
    refuseWrong(
      'new SwarmTestDriver',
      parameters({ swarm: anything, 'options?': optionsOf({ models: aFakes, startTimeMs: aNumber }) }),
      [swarm, options],
      'WAGGLE_INVALID_CONFIG',
    )
    this.#source = withFakes(typeof swarm === 'string' ? sourceOfFile(swarm) : sourceOfDefinition(swarm), options.models ?? {})
    this.#clock = new SimulatedClock(options.startTimeMs ?? 0)
  }

  /**
   * Sends a request, and settles with its answer. If the swarm waits for the clock, for example in a batch that is not full, in a join or for a
   * deadline, the answer waits too.
   *
   * @example
   * ```ts
   * const answer = driver.request({ text: 'Good morning' }, { headers: { 'X-Timeout-Seconds': '5' } })
   * await driver.advanceWallClockTime(5_000)
   * console.log((await answer).status)
   * ```
   *
   * @remarks `gateway` may be left out if the swarm has only one. The payload is JSON, a Uint8Array, `{ contentType, bytes }` or `{ tensors }`. A
   * swarm without a respond bee answers 202. For an unknown gateway the answer is 404, as over HTTP.
   */
  async request(payload: unknown, options: { gateway?: string; headers?: { readonly [name: string]: string } } = {}): Promise<Answer> {
    refuseWrong(
      'SwarmTestDriver.request',
      parameters({ payload: anything, 'options?': optionsOf({ gateway: aName, headers: optionsOf({}) }) }),
      [payload, options],
      'WAGGLE_INVALID_CONFIG',
    )
    const { gateway = this.#onlyGateway(), headers = {} } = options
    return (await this.#opened()).request(payload, { gateway, headers })
  }

  /**
   * Advances the clock by `ms`, and runs everything that becomes due on the way: batches, joins, deadlines, timeouts of calls.
   *
   * @example
   * ```ts
   * await driver.advanceWallClockTime(30_000)
   * ```
   */
  async advanceWallClockTime(ms: number): Promise<void> {
    refuseWrong('SwarmTestDriver.advanceWallClockTime', parameters({ ms: aDuration }), [ms], 'WAGGLE_INVALID_CONFIG')
    await (await this.#opened()).advance(ms)
  }

  /**
   * Returns the outputs of a bee so far, in order: the results of a model, the answers of a respond bee, the requests of a gateway, the records of a
   * kafka-output. Errors are not among them.
   *
   * @example
   * ```ts
   * assert.deepEqual(driver.published('classify'), [{ label: 'bear', scores: { bear: 1 } }])
   * ```
   */
  published(bee: string): readonly unknown[] {
    const names = this.#source.swarm.bees.map(({ name }) => name)
    if (!names.includes(bee)) throw unknownBee(bee, names)
    return [...(this.#swarm?.published(bee) ?? [])]
  }

  /**
   * Returns the rows that `save-to-database` has written to a table, one for each prediction, with the columns of the table in ClickHouse.
   *
   * @example
   * ```ts
   * assert.equal(driver.rows('predictions')[0]?.label, 'bear')
   * ```
   *
   * @remarks `predicted_at` is epoch ms, `offset` a bigint. Throws WAGGLE_UNKNOWN_BEE if no bee saves to the table.
   */
  rows(table: string): readonly { readonly [column: string]: unknown }[] {
    const tables = this.#source.swarm.bees.flatMap(({ type, spec }) => (type.role === 'sink' && typeof spec.table === 'string' ? [spec.table] : []))
    if (!tables.includes(table))
      throw new WaggleError('WAGGLE_UNKNOWN_BEE', {
        message: `No bee saves to the table ${table}`,
        next: tables.length === 0 ? 'Add a save-to-database bee to the swarm.' : `Use one of ${tables.join(', ')}.`,
      })
    return this.#database.rows(table).map((row) => ({ ...row }))
  }

  /**
   * Returns the inputs that failed, each once, with the bee, the error and the request's id.
   *
   * @example
   * ```ts
   * assert.deepEqual(driver.deadLetters().map(({ bee }) => bee), ['classify'])
   * ```
   */
  deadLetters(): readonly DeadLetterSeen[] {
    return [...(this.#swarm?.deadLetters ?? [])]
  }

  /** Closes the bees. With `await using driver = new SwarmTestDriver(…)` this happens at the end of the block. */
  async close(): Promise<void> {
    const opened = await this.#opening?.catch(() => null)
    await opened?.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #opened(): Promise<DrivenSwarm> {
    this.#opening ??= DrivenSwarm.open(this.#source, { clock: this.#clock, database: this.#database }).then((swarm) => {
      this.#swarm = swarm
      return swarm
    })
    return this.#opening
  }

  #onlyGateway(): string {
    const gateways = this.#source.swarm.bees.filter(({ type }) => type.role === 'gateway').map(gatewayOf)
    const [only, ...others] = gateways
    if (only !== undefined && others.length === 0) return only
    throw new WaggleError('WAGGLE_UNKNOWN_GATEWAY', { message: 'The swarm has several gateways', next: `Name one of: ${gateways.join(', ')}.` })
  }
}

const aFakes: Kind = (value, name) => {
  if (value === null || typeof value !== 'object') return { name, wanted: 'an object of functions by bee' }
  for (const [bee, fake] of Object.entries(value)) {
    const wrong = aFunction(fake, `${name}.${bee}`)
    if (wrong !== null) return wrong
  }
  return null
}

/** Checks that an argument is a duration. A duration is never negative, because the clock does not go back. */
const aDuration: Kind = (value, name) =>
  typeof value === 'number' && value >= 0 && Number.isFinite(value) ? null : { name, wanted: 'a number of ms, at least 0,' }
