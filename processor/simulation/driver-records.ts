import { changelogTopic } from '../../topology/topic-names.ts'
import { bytesIn, type ChangelogRecord, type LogRecord, type ProducerRecord, partitionName, type TopicPartition } from '../ports.ts'
import type { Produced } from './test-output-topic.ts'

/** The records of a test driver: all records by partition, and the program's output by topic. */
export class DriverRecords {
  readonly #applicationId: string
  /** A record's index is its offset. */
  readonly #byPartition = new Map<string, LogRecord[]>()
  readonly #outputs = new Map<string, Produced>()

  constructor(applicationId: string) {
    this.#applicationId = applicationId
  }

  get outputs(): ReadonlyMap<string, Produced> {
    return this.#outputs
  }

  outputOf(topic: string): Produced {
    const there = this.#outputs.get(topic)
    if (there !== undefined) return there
    const produced: Produced = { records: [], next: 0 }
    this.#outputs.set(topic, produced)
    return produced
  }

  append({ topic, partition, key, value, timestamp, headers }: ProducerRecord): LogRecord {
    const name = partitionName({ topic, partition })
    const records = this.#byPartition.get(name) ?? []
    this.#byPartition.set(name, records)
    const record: LogRecord = { offset: records.length, key, value: bytesIn(value), timestamp, headers }
    records.push(record)
    return record
  }

  /** Appends changelog records. As an application on Kafka does, it appends one record for each row that a commit changes. */
  appendChanges(store: string, changes: readonly ChangelogRecord[]): void {
    const { records } = this.outputOf(changelogTopic(this.#applicationId, store))
    for (const change of changes) records.push({ ...change, offset: records.length })
  }

  from(partition: TopicPartition, offset: number): readonly LogRecord[] {
    return this.#byPartition.get(partitionName(partition))?.slice(offset) ?? []
  }
}
