import type { FixedKeyProcessorSupplier, ProcessorContext, ProcessorSupplier } from '../../../topology/processor-api.ts'
import type { Header, Record } from '../../../topology/record.ts'
import { Serdes } from '../../../topology/serdes.ts'
import type { KeyValueStore } from '../../../topology/state-store.ts'
import { Stores } from '../../../topology/streams/stores.ts'
import type { Step } from './steps.ts'
import { cut, first, mark, show } from './text.ts'

type Text = string | null
type How = Extract<Step, { op: 'process' }>['how']

/** The name of the node of the step at this index. */
export const processName = (at: number) => `process-${at}`

/** The store of the step at this index. */
export const storeOf = (at: number) => Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(`seen-${at}`), Serdes.string(), Serdes.string())

const tickMs = 10

/**
 * A processor that does one of three things. It changes keys, counts in a store, or forwards the times at which a punctuation fires. Each kind adds a
 * header.
 */
export function processing(how: How, at: number): ProcessorSupplier<Text, Text, Text, Text> {
  return () => {
    let context: ProcessorContext<Text, Text>
    let seen: KeyValueStore<string, string> | null = null
    return {
      init(given) {
        context = given
        if (how === 'count') seen = context.getStateStore<KeyValueStore<string, string>>(`seen-${at}`)
        const tick = (time: number) => context.forward({ key: 'tick', value: String(time), timestamp: time })
        if (how === 'streamTime') context.schedule(tickMs, 'STREAM_TIME', tick)
        if (how === 'clock') context.schedule(tickMs, 'WALL_CLOCK_TIME', tick)
      },
      process(record) {
        const { key, value } = record
        const headers = passed(record, how)
        if (how === 'rekey') context.forward({ ...record, key: first(value), value: mark(value), headers })
        else if (seen === null) context.forward({ ...record, headers })
        else context.forward({ ...record, value: counted(seen, key, value), headers })
      },
    }
  }
}

/** A processor that changes only values. It adds a header, or counts in a store. */
export function processingValues(how: 'mark' | 'count', at: number): FixedKeyProcessorSupplier<Text, Text, Text> {
  return () => {
    let forward: (record: Record<Text, Text>) => void
    let seen: KeyValueStore<string, string> | null = null
    return {
      init(context) {
        if (how === 'count') seen = context.getStateStore<KeyValueStore<string, string>>(`seen-${at}`)
        forward = (record) => context.forward(record)
      },
      process(record) {
        const value = seen === null ? mark(record.value) : counted(seen, record.key, record.value)
        forward({ ...record, value, headers: passed(record, how) })
      },
    }
  }
}

function passed({ headers }: Record<Text, Text>, how: string): readonly Header[] {
  return [...headers, { key: 'passed', value: Buffer.from(how) }]
}

function counted(seen: KeyValueStore<string, string>, key: Text, value: Text): string {
  const count = String(Number(seen.get(show(key)) ?? '0') + 1)
  seen.put(show(key), count)
  return cut(`${show(value)}#${count}`)
}
