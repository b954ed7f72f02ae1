/** The page of a process, as its HTTP port serves it. */
export interface Page {
  /** The files by their paths, which begin with `/`. */
  readonly files: ReadonlyMap<string, PageFile>
  /** The value of the header Content-Security-Policy of all files. */
  readonly contentSecurityPolicy: string
  /** The swarms of this process, which the page draws. */
  shape(): PageShape
  /** Counts since the start. A rate is the difference of two counts. */
  counts(): Promise<PageCounts>
  /** The state of a swarm in this process: what waits, its stores, its joins and its replicas. Throws WAGGLE_UNKNOWN_SWARM. */
  state(swarm: string): PageSwarmState
}

export interface PageFile {
  readonly contentType: string
  readonly bytes: Buffer
  readonly gzip: Buffer
  readonly etag: string
}

export interface PageShape {
  readonly instance: string
  readonly swarms: readonly {
    readonly name: string
    readonly gateways: readonly {
      readonly gateway: string
      readonly bee: string
      readonly answers: boolean
      readonly respond: string | null
      readonly example: unknown
    }[]
    readonly bees: readonly PageBee[]
  }[]
}

export interface PageBee {
  readonly name: string
  readonly type: string
  /** The bees whose results this bee takes. */
  readonly after: readonly string[]
  /** True if the bee takes the results of several bees one by one. Its calls are then not counted by the bee before it. */
  readonly stacks: boolean
  /** The topic of the bee's results, or of a gateway's requests; null if there is none. */
  readonly topic: string | null
}

export interface PageCounts {
  /** The time of the counts, in epoch milliseconds. */
  readonly at: number
  readonly swarms: readonly {
    readonly name: string
    readonly not_ready: string | null
    /** Records that wait in this process, in buffers and calls. */
    readonly in_hand: number
    /** For each topic, the sum of the end offsets of its partitions. */
    readonly topics: { readonly [topic: string]: number }
    /** Records that wait before the bee, by bee and topic. Bees without waiting records have no entry. Only tasks of this process are counted. */
    readonly waiting: { readonly [bee: string]: { readonly [topic: string]: number } }
    /** The calls of the asynchronous bees, in this process. */
    readonly bees: { readonly [bee: string]: BeeCalls }
  }[]
}

export interface PageSwarmState {
  readonly swarm: string
  /** The tasks of this process. */
  readonly tasks: number
  /** Unprocessed records, for each bee at the head of a sub-topology and each partition that it reads. */
  readonly lags: readonly { readonly bee: string; readonly topic: string; readonly partition: number; readonly records: number }[]
  /**
   * Requests that wait in a join or a merge for their other inputs, by bee. Finished entries are read too, and the number of entries that a count
   * reads is limited.
   */
  readonly joins: readonly { readonly bee: string; readonly waits_for: readonly string[]; readonly pending: number; readonly is_cut: boolean }[]
  /**
   * The stores of this process's tasks. The number of entries that a count reads is limited. If the count is cut, the store has at least as many
   * entries.
   */
  readonly stores: readonly {
    readonly name: string
    readonly bees: readonly string[]
    readonly kind: string
    readonly entries: number
    readonly is_cut: boolean
    /** The bytes of keys and values as of the last commit. The number of rows that are read is limited, too. */
    readonly bytes: number
    readonly bytes_are_cut: boolean
  }[]
  /** RocksDB's estimate of the bytes of the database with these stores. `has_log`: the database contains the records of the log too. Null: unknown. */
  readonly database: { readonly bytes: number; readonly has_log: boolean } | null
  /** The parts that bees of this process have published. A bee that has published none is missing. */
  readonly parts: readonly { readonly bee: string; readonly parts: number; readonly bytes: number }[]
  readonly replicas: readonly { readonly bee: string; readonly replicas: number; readonly grown: number; readonly shrunk: number }[]
  /** The files of the embedded log; null on a cluster. */
  readonly log: { readonly bytes: number; readonly max_bytes: number } | null
  /** The large payloads of the data directory; null if the process keeps none there. */
  readonly claims: { readonly bytes: number; readonly max_bytes: number } | null
}

export interface BeeCalls {
  readonly calls: number
  readonly rows: number
  readonly failed: number
  readonly seconds: number
  /** Rows of started calls, and the time that they waited at the bee for their calls, added up. */
  readonly started: number
  readonly waited_seconds: number
  readonly batch_limit: number
}
