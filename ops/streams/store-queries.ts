import { askHost } from '../../connectors/queries/query-client.ts'
import { type AnswerQuery, QueryServer } from '../../connectors/queries/query-server.ts'
import type { Application } from '../../processor/application/application.ts'
import { QueryWire, type WireRequest, type WireRow } from '../../processor/application/query-wire.ts'
import type { Topology } from '../../topology/graph.ts'
import { changelogTopic } from '../../topology/naming.ts'
import type { QueryRequest } from '../../topology/queries.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

export interface StoreQueriesOptions {
  readonly applicationId: string
  /** The secret that all processes of the application share; null where they run on one machine. */
  readonly secret: string | null
  /** The topology of the running application, with all serdes. */
  readonly topology: Topology
  /** Gives the application; null until there is one. */
  readonly application: () => Application | null
}

interface Question {
  readonly store: string
  readonly partition: number
  readonly request: WireRequest
}

/** Queries over all processes of an application. A partition that is not here is asked for at the host that the group names (KIP-535). */
export class StoreQueries {
  readonly #options: StoreQueriesOptions
  #server: QueryServer | null = null

  constructor(options: StoreQueriesOptions) {
    this.#options = options
  }

  /** Starts the server for other processes' queries at `address`. Returns the address that they are told. */
  async serve(address: string): Promise<string> {
    this.#server = await QueryServer.open(address, { secret: this.#options.secret, answer: this.#answer })
    return this.#server.address
  }

  async query(store: string, request: QueryRequest, wanted: readonly number[] | null): Promise<ReadonlyMap<number, unknown>> {
    const { stores } = this.#application
    if (this.#server === null || !stores.has(store)) return stores.query(store, request, wanted)
    const partitions = wanted ?? Array.from({ length: stores.partitionsOf(store) }, (_, partition) => partition)
    const answers = new Map(await stores.queryKnown(store, request, partitions))
    const there = partitions.filter((partition) => !answers.has(partition))
    const wire = this.#wire(store)
    await Promise.all(
      there.map(async (partition) => {
        const active = await stores.hostOf(store, partition)
        if (active === null || active === this.#server?.address) throw onItsWay(store, partition)
        const question: Question = { store, partition, request: wire.writeRequest(request) }
        answers.set(
          partition,
          await wire.readAnswer(request.kind, (await askHost(active, question, { secret: this.#options.secret })) as AsyncIterable<WireRow>),
        )
      }),
    )
    return answers
  }

  async close(): Promise<void> {
    await this.#server?.close()
    this.#server = null
  }

  readonly #answer: AnswerQuery = async (asked) => {
    const { store, partition, request } = asked as Question
    const { stores } = this.#application
    const wire = this.#wire(store)
    const answers = await stores.query(store, wire.readRequest(request), [partition])
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
    next: 'Ask again in a moment: its task is on its way from one process to another.',
  })
}
