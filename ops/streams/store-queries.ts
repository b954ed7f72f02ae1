import { askHost } from '../../connectors/queries/query-client.ts'
import { type AnswerQuery, QueryServer } from '../../connectors/queries/query-server.ts'
import type { Application } from '../../processor/application/application.ts'
import { QueryWire, type WireRequest, type WireRow } from '../../processor/application/query-wire.ts'
import type { Topology } from '../../topology/graph.ts'
import type { StoreQuestion } from '../../topology/queries.ts'
import { changelogTopic } from '../../topology/topic-names.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

export interface StoreQueriesOptions {
  readonly applicationId: string
  /** The secret that all processes of the application share; null if none is set, which is possible only on one machine. */
  readonly secret: string | null
  /** The topology of the running application, with all serdes. */
  readonly topology: Topology
  /** Returns the application; null before the start. */
  readonly application: () => Application | null
}

interface Question {
  readonly store: string
  readonly partition: number
  readonly request: WireRequest
  readonly allowsStale: boolean
}

/**
 * Queries the stores of all processes of an application. A partition that is not in this process is queried at the host that the group's assignment
 * names (KIP-535).
 */
export class StoreQueries {
  readonly #options: StoreQueriesOptions
  #server: QueryServer | null = null

  constructor(options: StoreQueriesOptions) {
    this.#options = options
  }

  /** Starts the server for queries from other processes at `address`. Returns the address under which other processes reach the server. */
  async serve(address: string): Promise<string> {
    this.#server = await QueryServer.open(address, { secret: this.#options.secret, answer: this.#answer })
    return this.#server.address
  }

  async query(asked: StoreQuestion): Promise<ReadonlyMap<number, unknown>> {
    const { stores } = this.#application
    const { store } = asked
    if (this.#server === null || !stores.has(store)) return stores.query(asked)
    const partitions = asked.partitions ?? Array.from({ length: stores.partitionsOf(store) }, (_, partition) => partition)
    const answers = new Map(await stores.queryKnown({ ...asked, partitions }))
    const there = partitions.filter((partition) => !answers.has(partition))
    await Promise.all(there.map(async (partition) => answers.set(partition, await this.#askOthers(asked, partition))))
    return answers
  }

  /**
   * The answer of the process that runs the partition's task. If that process does not answer and stale answers are allowed, the answer of a process
   * with a copy of the store.
   */
  async #askOthers({ store, request, allowsStale }: StoreQuestion, partition: number): Promise<unknown> {
    const { active, standbys } = await this.#application.stores.hostsKnown(store, partition)
    const wire = this.#wire(store)
    const question: Question = { store, partition, request: wire.writeRequest(request), allowsStale }
    const asked = [active, ...(allowsStale ? standbys : [])]
    const hosts = asked.filter((host): host is string => host !== null && host !== this.#server?.address)
    let missed: unknown = onItsWay(store, partition)
    for (const host of hosts) {
      try {
        return await wire.readAnswer(request.kind, (await askHost(host, question, { secret: this.#options.secret })) as AsyncIterable<WireRow>)
      } catch (thrown) {
        if (!(thrown instanceof WaggleError) || thrown.code !== 'WAGGLE_STORE_MIGRATED') throw thrown
        missed = thrown
      }
    }
    throw missed
  }

  async close(): Promise<void> {
    await this.#server?.close()
    this.#server = null
  }

  readonly #answer: AnswerQuery = async (asked) => {
    const { store, partition, request, allowsStale } = asked as Question
    const { stores } = this.#application
    const wire = this.#wire(store)
    const answers = await stores.query({ store, request: wire.readRequest(request), partitions: [partition], allowsStale })
    return wire.writeAnswer(request.kind, answers.get(partition))
  }

  get #application(): Application {
    const application = this.#options.application()
    if (application !== null) return application
    throw new WaggleError('WAGGLE_NOT_RUNNING', { message: `${this.#options.applicationId} does not run yet`, next: 'Ask again in a moment.' })
  }

  #wire(name: string): QueryWire {
    const { applicationId, topology } = this.#options
    const store = topology.stores.get(name)
    if (store === undefined || store.kind === 'custom') {
      throw new WaggleError('WAGGLE_STORE_UNKNOWN', { message: `There is no store ${name} to ask`, next: 'Name a store of this topology.' })
    }
    return new QueryWire(store, changelogTopic(applicationId, name))
  }
}

function onItsWay(store: string, partition: number): WaggleError {
  return new WaggleError('WAGGLE_STORE_MIGRATED', {
    message: `Partition ${partition} of the store ${store} is nowhere now, or where no queries are answered`,
    next: 'Ask again in a moment: the task with the partition is moving from one process to another.',
  })
}
