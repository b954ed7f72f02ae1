import type { RequestTrace, TraceError } from './request/request-trace.ts'

/** The log as an operator sees it: its topics, its records, and the dead letters of its swarms. Every answer has a size limit. */
export interface LogManagement {
  /** Names one run of a process. The name differs from that of another run at the same address. */
  readonly instance: string
  /** The address of the ClickHouse that has the predictions, without a password; null if the process has opened no ClickHouse. */
  clickhouseUrl(): Promise<string | null>
  topics(): Promise<readonly TopicRow[]>
  /** Reads a page of a topic's records. Throws WAGGLE_MISSING_TOPIC, and WAGGLE_BAD_REQUEST for an invalid cursor. */
  records(topic: string, options: PageOptions): Promise<RecordPage>
  /** The dead letters, newest first, without those that were retried or discarded. */
  deadLetters(options: DeadLetterOptions): Promise<DeadLetterPage>
  /** Reads one dead letter. Throws WAGGLE_UNKNOWN_DEAD_LETTER if there is no dead letter with this id. */
  deadLetter(id: string): Promise<DeadLetter>
  /**
   * Sends the input of a dead letter again to the topic from which it was read. An input of a gateway becomes a new request with a new id. Throws
   * WAGGLE_RECORDS_GONE if the input is deleted, and WAGGLE_DEAD_LETTER_SETTLED for a letter that was retried or discarded before.
   */
  retry(id: string): Promise<Retried>
  discard(id: string): Promise<void>
  /**
   * Retries or discards the letters of one page, newest first. A letter that cannot be sent again stays in the list, and is among the failed ones of
   * the answer.
   */
  settle(verb: 'retry' | 'discard', options: DeadLetterOptions): Promise<SettledLetters>
  /**
   * Sends one page of the requests that the swarm's gateways had before to the swarm again, as new requests. Throws WAGGLE_UNKNOWN_SWARM,
   * WAGGLE_UNKNOWN_GATEWAY, WAGGLE_BAD_REQUEST for an invalid cursor, and WAGGLE_OVERLOADED while the log takes no requests.
   */
  replay(swarm: string, options: ReplayOptions): Promise<ReplayPage>
  /** The requests of the swarms of this process, the newest first. Throws WAGGLE_BAD_REQUEST for an invalid cursor. */
  requests(options: RequestListOptions): Promise<RequestPage>
  /** The way of a request through its swarm. Throws WAGGLE_UNKNOWN_REQUEST if the log has no record of the request. */
  trace(id: string): Promise<RequestTrace>
  /** The models of the swarms that run in this process. */
  models(): Promise<readonly ModelRow[]>
  /** Looks for new versions of a bee's model now. Throws WAGGLE_UNKNOWN_MODEL. */
  reloadModel(swarm: string, bee: string): Promise<ModelRow>
  /** Ends the calls that wait for records. */
  close(): Promise<void>
}

export interface TopicRow {
  readonly name: string
  readonly partitions: number
  readonly cleanup: string
  readonly retention_ms: number | null
  /** The first kept offset and the next offset of each partition. */
  readonly offsets: readonly { readonly start: number; readonly end: number }[]
}

export interface PageOptions {
  /** `start`, `end`, or the cursor of the page before. */
  readonly from: string
  readonly max: number
  /** The time to wait for the first record, in ms. */
  readonly waitMs: number
}

export interface RecordPage {
  readonly records: readonly ShownRecord[]
  /** The cursor of the next page: `partition:offset`, with commas between them. */
  readonly next: string
}

/** A record for people. Bytes that are text are shown as text. A value is decoded by its headers or its bytes, if they tell its kind. */
export interface ShownRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly headers: { readonly [name: string]: string | null }
  readonly value: string | null
}

export interface DeadLetterOptions {
  /** The swarm whose dead letters are listed; null for all swarms. */
  readonly swarm: string | null
  /** The error code of the letters; null for all codes. A page with a code may have fewer letters than `max`, and still a `next`. */
  readonly code?: string | null
  readonly max: number
  /** The `next` of the page before, or the id of a letter. Null: the newest letters. */
  readonly after: string | null
}

export interface DeadLetterPage {
  readonly dead_letters: readonly DeadLetter[]
  /** The cursor to give as `after` for the next page. Null: there are no more letters. The cursor stays valid when letters are settled. */
  readonly next: string | null
}

/** The outcome of one page of letters that were retried or discarded. */
export interface SettledLetters {
  /** The ids of the letters that were retried or discarded. */
  readonly settled: readonly string[]
  /** The letters that stay, with the reason. */
  readonly failed: readonly { readonly id: string; readonly code: string; readonly detail: string }[]
  /** The cursor to give as `after` for the next page. Null: there are no more letters. */
  readonly next: string | null
}

export interface DeadLetter {
  /** The letter's id: `swarm:partition:offset`, the place of the letter itself. */
  readonly id: string
  readonly swarm: string
  readonly bee: string
  readonly code: string
  /** The message of the error, and its next step. */
  readonly cause: string
  readonly request_id: string | null
  /** The topic, partition and offset of the input that failed. */
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** The time of the request, in epoch milliseconds. */
  readonly timestamp: number
  readonly content_type: string | null
  /** The input of the bee, decoded. A list shows only its beginning. */
  readonly content: string | null
}

/** The filters of a list of requests. A null filter lets every request pass. Times are epoch milliseconds. */
export interface RequestListOptions {
  readonly swarm: string | null
  readonly gateway: string | null
  readonly state: ListedRequest['state'] | null
  readonly from: number | null
  readonly to: number | null
  /** The Idempotency-Key of the request, or the key of its record on the topic of an entrance. */
  readonly key: string | null
  /** The `next` of the page before. */
  readonly after: string | null
  readonly max: number
}

export interface RequestPage {
  readonly requests: readonly ListedRequest[]
  /** The cursor to give as `after` for the next page. Null: the records that were read have no more requests. */
  readonly next: string | null
}

export interface ListedRequest {
  readonly request_id: string
  readonly swarm: string
  readonly gateway: string | null
  readonly state: 'pending' | 'answered' | 'failed'
  /** The times of the request's acceptance and of its outcome, in epoch milliseconds. */
  readonly accepted_at: number
  readonly finished_at: number | null
  readonly error: TraceError | null
}

export interface Retried {
  readonly request_id: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

export interface ReplayOptions {
  /** The name of the replay. One replay sends each request once, also if a page is sent twice. Null: a new name. */
  readonly replay: string | null
  /** The gateway whose requests are sent; null for all gateways of the swarm. */
  readonly gateway: string | null
  /** The times of acceptance, in epoch milliseconds. Null: all that the log has, up to the first page. */
  readonly from: number | null
  readonly to: number | null
  /** The `next` of the page before. */
  readonly after: string | null
  readonly max: number
  /** True: nothing is sent. */
  readonly dry_run: boolean
}

/** One page of a replay. The next page needs the same `replay` and `to`. */
export interface ReplayPage {
  readonly replay: string
  readonly to: number
  readonly requests: readonly ReplayedRequest[]
  /** The number of records that were left out, because an earlier replay wrote them or because they cannot be read. */
  readonly skipped: number
  /** The cursor to give as `after` for the next page. Null: there are no more requests. */
  readonly next: string | null
}

export interface ReplayedRequest {
  /** The id of the new request. */
  readonly request_id: string
  /** The id of the request that was sent again. */
  readonly replay_of: string
  readonly gateway: string
  /** The time at which the old request was accepted, in epoch milliseconds. */
  readonly accepted_at: number
}

/** The model of one bee. */
export interface ModelRow {
  readonly swarm: string
  readonly bee: string
  /** The type of the bee. */
  readonly type: string
  /** The model as the swarm's file names it. */
  readonly model: string
  /** The library and device of the version that answers. */
  readonly runs_on: string
  /** The reason why this library and this device were chosen; null if there is no choice. */
  readonly why: string | null
  /** The number of times that a version was refused since the start. */
  readonly refused_total: number
  /** The inputs and outputs of one row, for the version that answers: `name: FP32[64,64,3]`. */
  readonly signature: { readonly inputs: readonly string[]; readonly outputs: readonly string[] }
  /** The versions in ascending order. */
  readonly versions: readonly ModelVersionRow[]
}

export interface ModelVersionRow {
  /** The name of the version's folder; null for a model without versions. */
  readonly version: string | null
  /** The version's names in the spec, such as `canary`. */
  readonly names: readonly string[]
  /**
   * `serving`: the version answers requests. `loaded`: it is in memory. `shadow`: its results are only saved. `draining`: it answers its last
   * requests. `incomplete`: its files are still changing.
   */
  readonly state: 'serving' | 'loaded' | 'shadow' | 'loading' | 'draining' | 'refused' | 'incomplete'
  /** The version's part of the requests, in percent. */
  readonly share: number
  readonly runs_on: string | null
  /** The time at which the version was loaded, in epoch milliseconds; null if it is not loaded. */
  readonly loaded_at: number | null
  /** The reason why the version was refused; null if it was not refused. */
  readonly error: { readonly code: string; readonly detail: string; readonly next: string } | null
}

/** The limits of one answer. */
export const managementLimits = { records: 1000, waitMs: 30_000, deadLetters: 1000, settledLetters: 100, requests: 1000, replayed: 1000 } as const
