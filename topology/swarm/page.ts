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
    /** The calls of the bees that take time, in this process. */
    readonly bees: { readonly [bee: string]: BeeCalls }
  }[]
}

export interface BeeCalls {
  readonly calls: number
  readonly rows: number
  readonly failed: number
  readonly seconds: number
  readonly batch_limit: number
}
