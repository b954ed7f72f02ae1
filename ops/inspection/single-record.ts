import type { Log, LogRecord } from '../../processor/ports.ts'
import { eachRun } from './topic-pages.ts'

/** The record at one offset; null if the topic does not have the record, or no longer. `offset` may be any number. */
export async function recordAt(log: Log, topic: string, partition: number, offset: number): Promise<LogRecord | null> {
  const kept = (await log.topic(topic))?.offsets[partition]
  if (kept === undefined || !Number.isInteger(offset) || offset < kept.start || offset >= kept.end) return null
  let found: LogRecord | null = null
  await eachRun(log.read({ topic, partition, from: offset, to: offset + 1 }), async ({ records }) => {
    found = records.find((record) => record.offset === offset) ?? null
    return 'stop'
  })
  return found
}
