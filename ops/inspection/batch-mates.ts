import type { Clock, Log, LogRecord } from '../../processor/ports.ts'
import { headerText } from '../../topology/record.ts'
import { batchSizeHeader, finishedHeader, startedHeader } from '../../topology/swarm/request/headers.ts'
import type { TraceStep } from '../../topology/swarm/request/request-trace.ts'
import { eachRun } from './topic-pages.ts'

/**
 * Finds the requests that shared a call with a request. Results of one call have the same start, end and batch size in their headers, and are close
 * to each other in the partitions of the bee's topic. The search therefore needs no additional records. It reads at most `maxRecordsAPartition`
 * records of each partition, and ends after `maxMs` for all steps of a trace together.
 */
export class BatchMates {
  readonly #log: Log
  readonly #clock: Clock
  readonly #until: number

  constructor({ log, clock }: { readonly log: Log; readonly clock: Clock }) {
    this.#log = log
    this.#clock = clock
    this.#until = clock.elapsedMs() + maxMs
  }

  /**
   * The ids of the other requests of the step's call, at most `maxMates`; empty for a call with one input. `timestamp` is the timestamp of the step's
   * record.
   */
  async of({ topic, partition, offset, started_at, finished_at, batch_size }: TraceStep, timestamp: number): Promise<readonly string[]> {
    if (batch_size === null || batch_size < 2 || started_at === null || finished_at === null) return []
    const wanted = Math.min(maxMates, batch_size - 1)
    const call = [String(started_at), String(finished_at), String(batch_size)]
    const mates: string[] = []
    const offsets = (await this.#log.topic(topic))?.offsets ?? []
    // The step's own partition is read first, because records of the same call are close to the step's record there.
    const partitions = [partition, ...offsets.keys().filter((other) => other !== partition)]
    for (const place of partitions) {
      if (mates.length >= wanted || this.#clock.elapsedMs() > this.#until) break
      const { start, end } = offsets[place] ?? { start: 0, end: 0 }
      const from =
        place === partition
          ? offset - maxRecordsAPartition / 2
          : ((await this.#log.offsetAt?.({ topic, partition: place }, timestamp - beforeMs)) ?? end - maxRecordsAPartition)
      const begin = Math.max(start, from)
      const to = Math.min(end, begin + maxRecordsAPartition)
      if (begin >= to) continue
      await eachRun(this.#log.read({ topic, partition: place, from: begin, to, skipsLargeValues: true }), async ({ records }) => {
        for (const record of records) {
          if (isOfCall(record, call) && !(place === partition && record.offset === offset) && record.key !== null)
            mates.push(Buffer.from(record.key).toString())
          if (mates.length >= wanted) return 'stop'
        }
        return this.#clock.elapsedMs() > this.#until ? 'stop' : 'go on'
      })
    }
    return mates
  }
}

function isOfCall({ headers }: LogRecord, [started, finished, size]: readonly string[]): boolean {
  return (
    headerText(headers, startedHeader) === started &&
    headerText(headers, finishedHeader) === finished &&
    headerText(headers, batchSizeHeader) === size
  )
}

const maxMates = 100
const maxRecordsAPartition = 1000
const maxMs = 1000
/** The search in other partitions begins this long before the step's record, because a request of the same call may be older. */
const beforeMs = 2000
