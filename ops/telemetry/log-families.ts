import type { LogStorage } from '../../processor/ports.ts'
import type { Family } from './exposition.ts'

/**
 * Metrics of the log's files on this machine: their bytes, the limit, and the groups that still have records to read. Empty if the log is not on this
 * machine.
 */
export function logFamilies(storage: LogStorage | undefined): readonly Family[] {
  if (storage === undefined) return []
  const { bytes, maxBytes, behind, refusal } = storage
  const one = (name: string, help: string, value: number): Family => ({ name, help, type: 'gauge', samples: [{ labels: {}, value }] })
  const ofReaders = (name: string, help: string, value: (reader: LogStorage['behind'][number]) => number): Family => ({
    name,
    help,
    type: 'gauge',
    samples: behind.map((reader) => ({
      labels: { group: reader.group, topic: reader.topic, partition: String(reader.partition) },
      value: value(reader),
    })),
  })
  return [
    one('waggle_log_bytes', 'Bytes of the embedded log on the disk.', bytes),
    one('waggle_log_max_bytes', 'Bytes that the embedded log may take (WAGGLE_LOG_MAX_BYTES).', maxBytes),
    one('waggle_log_refuses', '1 where gateways refuse because a reader is behind and the log is at its bound.', refusal === null ? 0 : 1),
    ofReaders('waggle_log_reader_behind_records', 'Records that a reader has not read, where there are any.', ({ records }) => records),
    ofReaders('waggle_log_reader_behind_seconds', 'Age of the oldest record that a reader has not read.', ({ oldestAgeMs }) => oldestAgeMs / 1000),
  ]
}
