import assert from 'node:assert/strict'
import type { StreamsBuilder } from 'waggle-streams'
import { type Row, TextProgram, text } from './text-program.ts'

export interface Scenario {
  readonly program: (builder: StreamsBuilder) => void
  /** Topic, key, value and time of each record, and the records that Kafka Streams 4.3.1 then writes to `out`. */
  readonly rows: readonly (readonly [...Required<Row>, readonly string[]])[]
}

/** `killed`: the tasks die after each record, which must not change the outputs. */
export async function holds({ program, rows }: Scenario, { killed = false }: { readonly killed?: boolean } = {}): Promise<void> {
  await using driven = new TextProgram(program, { defaultKeySerde: text, defaultValueSerde: text })
  const given: (readonly string[])[] = []
  for (const [topic, key, value, timestamp] of rows) {
    given.push(await driven.after([topic, key, value, timestamp]))
    if (killed) await driven.driver.crash()
  }
  assert.deepEqual(
    given,
    rows.map(([, , , , out]) => out),
  )
}
