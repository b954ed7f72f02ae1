import type { LogStorage } from '../../processor/ports.ts'
import type { Family } from './exposition.ts'
import { family, single } from './metric-table.ts'

/**
 * Metrics of the log's files on this machine: their bytes, the limit, and the groups that still have records to read. Empty if the log is not on this
 * machine.
 */
export function logFamilies(storage: LogStorage | undefined): readonly Family[] {
  if (storage === undefined) return []
  const { bytes, maxBytes, behind, refusal } = storage
  const ofReaders = (value: (reader: LogStorage['behind'][number]) => number) =>
    behind.map((reader) => ({
      labels: { group: reader.group, topic: reader.topic, partition: String(reader.partition) },
      value: value(reader),
    }))
  return [
    single('waggle_log_bytes', bytes),
    single('waggle_log_max_bytes', maxBytes),
    single('waggle_log_refuses', refusal === null ? 0 : 1),
    family(
      'waggle_log_reader_behind_records',
      ofReaders(({ records }) => records),
    ),
    family(
      'waggle_log_reader_behind_seconds',
      ofReaders(({ oldestAgeMs }) => oldestAgeMs / 1000),
    ),
  ]
}
