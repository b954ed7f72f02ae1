import { availableParallelism } from 'node:os'
import type { BeePorts } from '../../bees/define-bee.ts'
import type { Producer, StateDirectory } from '../../processor/ports.ts'
import type { SwarmPlan } from '../../topology/swarm/plan/plan.ts'
import type { SwarmRequests } from '../requests/swarm-requests.ts'
import { modelThreadCount } from './model-thread-count.ts'
import { type ConfiguredSwarm, ownTopics, RunningSwarm, type RunningSwarmOptions } from './running-swarm.ts'

export interface RunningSwarmsOptions extends Omit<RunningSwarmOptions, keyof ConfiguredSwarm | 'ports' | 'states' | 'partProducer'> {
  /** The ports of bees. The member `models` is replaced by the result of `modelsWith`. */
  readonly ports: BeePorts
  /** Makes the port for models, with this number of threads for each model. */
  readonly modelsWith: (threads: number) => BeePorts['models']
  /** The number of threads for each model, if a setting fixes it. Null: the number depends on the number of models. */
  readonly threads: number | null
  /** State directories that are already open, by swarm. The code that opened them closes them. */
  readonly openStates: ReadonlyMap<string, StateDirectory>
  /** Opens the directory of a swarm's state; null on a log that keeps state itself. */
  readonly openState: (swarm: string) => Promise<StateDirectory | null>
  /** Called before a swarm starts, while no part of it runs. */
  readonly beforeStart: (running: RunningSwarm) => Promise<void>
}

/** The swarms of one process. Swarms can start and stop while the process runs. */
export class RunningSwarms {
  /** The swarms of this process. The property always returns the same array. */
  readonly all: RunningSwarm[] = []
  /** The plans of the swarms, in the same order. The property always returns the same array. */
  readonly plans: SwarmPlan[] = []
  readonly #options: RunningSwarmsOptions
  readonly #configured = new Map<RunningSwarm, ConfiguredSwarm>()
  readonly #states = new Map<string, StateDirectory>()
  readonly #ports = new Map<number, BeePorts>()
  #requests: SwarmRequests | null = null
  #partProducer: Promise<Producer> | null = null

  constructor(options: RunningSwarmsOptions) {
    this.#options = options
  }

  /** Plans a swarm without starting it. `beside` are the other swarms that will start at the same time. */
  async prepare(configured: ConfiguredSwarm, beside: readonly ConfiguredSwarm[] = []): Promise<RunningSwarm> {
    const { name } = configured.swarm
    const running = await RunningSwarm.prepare({
      ...this.#options,
      ...configured,
      partProducer: () => this.#producer(),
      ports: this.#portsFor([...this.#configured.values(), ...beside, ...(beside.includes(configured) ? [] : [configured])]),
      states: await this.#statesOf(name),
    })
    this.#configured.set(running, configured)
    return running
  }

  /** Drops a prepared swarm that will not be started. */
  discard(running: RunningSwarm): void {
    this.#configured.delete(running)
  }

  /** Plans a swarm for inspection. The result cannot run. */
  async look(configured: ConfiguredSwarm): Promise<RunningSwarm> {
    return RunningSwarm.prepare({
      ...this.#options,
      ...configured,
      partProducer: () => this.#producer(),
      ports: this.#portsFor([configured]),
      states: null,
    })
  }

  /** Begins to deliver the outcomes of all prepared swarms. */
  async connect(requests: SwarmRequests, prepared: readonly RunningSwarm[]): Promise<void> {
    this.#requests = requests
    for (const running of prepared) await this.#enter(running)
  }

  /**
   * Starts a prepared swarm, and settles when it answers requests. If the swarm cannot start, it is closed and the error is thrown. `beforeReading`
   * is called when all bees of the swarm are open.
   */
  async start(running: RunningSwarm, beforeReading?: () => Promise<void>): Promise<void> {
    try {
      await this.#options.beforeStart(running)
      if (!this.all.includes(running)) await this.#enter(running)
      await running.application.start(beforeReading)
    } catch (error) {
      await this.#leave(running)
      throw error
    }
  }

  /**
   * Starts a prepared version while the older version still runs. `takeOver` is called when the new version has opened all of its bees, and must stop
   * the older version. If the new version cannot open, or if `takeOver` throws, the older version continues.
   */
  async startBeside(older: RunningSwarm, newer: RunningSwarm, takeOver: () => Promise<void>): Promise<void> {
    await this.#options.log.createTopics(ownTopics(newer.plan))
    try {
      await newer.application.start(async () => {
        await takeOver()
        await this.#enter(newer)
        this.#unlist(older)
      })
    } catch (error) {
      await this.#leave(newer)
      throw error
    }
    // All outcomes of the older version have been delivered by now.
    await this.#leave(older)
  }

  /** Stops a swarm. Finished work is committed; unfinished work is done after the next start. */
  async stop(running: RunningSwarm, { timeoutMs }: { readonly timeoutMs: number }): Promise<void> {
    try {
      await running.application.close({ timeoutMs })
    } finally {
      await this.#leave(running)
    }
  }

  /** Stops all swarms, each within the remaining time. */
  async close(leftMs: () => number): Promise<void> {
    const results = await Promise.allSettled(this.all.map((running) => running.application.close({ timeoutMs: leftMs() })))
    const failed = results.find((result) => result.status === 'rejected')
    for (const states of this.#states.values()) await states.close()
    await (await this.#partProducer?.catch(() => null))?.close()
    if (failed !== undefined) throw failed.reason
  }

  /** Closes the state directory of a swarm that was removed. */
  async forget(swarm: string): Promise<void> {
    const states = this.#states.get(swarm)
    this.#states.delete(swarm)
    await states?.close()
  }

  /** The producer of parts. It is opened for the first part, because most processes publish no parts. */
  #producer(): Promise<Producer> {
    this.#partProducer ??= this.#options.log.producer().catch((error: unknown) => {
      this.#partProducer = null
      throw error
    })
    return this.#partProducer
  }

  async #enter(running: RunningSwarm): Promise<void> {
    await this.#options.log.createTopics(ownTopics(running.plan))
    await this.#toRequests.add(running.entrance)
    this.all.push(running)
    this.plans.push(running.plan)
  }

  async #leave(running: RunningSwarm): Promise<void> {
    this.#unlist(running)
    await this.#requests?.remove(running.entrance)
  }

  #unlist(running: RunningSwarm): void {
    this.#configured.delete(running)
    const at = this.all.indexOf(running)
    if (at < 0) return
    this.all.splice(at, 1)
    this.plans.splice(at, 1)
  }

  async #statesOf(swarm: string): Promise<StateDirectory | null> {
    const known = this.#options.openStates.get(swarm) ?? this.#states.get(swarm)
    if (known !== undefined) return known
    const states = await this.#options.openState(swarm)
    if (states !== null) this.#states.set(swarm, states)
    return states
  }

  #portsFor(swarms: readonly ConfiguredSwarm[]): BeePorts {
    const { ports, modelsWith } = this.#options
    const threads = this.#options.threads ?? modelThreadCount(swarms, availableParallelism())
    const known = this.#ports.get(threads) ?? { ...ports, models: modelsWith(threads) }
    this.#ports.set(threads, known)
    return known
  }

  get #toRequests(): SwarmRequests {
    if (this.#requests === null) throw new Error('The requests are not open')
    return this.#requests
  }
}
