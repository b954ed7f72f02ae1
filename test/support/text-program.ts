import { Consumed, type KStream, type KTable, Produced, Serdes, StreamsBuilder, type StreamsConfig, type Windowed } from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'

export const text = Serdes.string()
export const read = Consumed.with(text, text)
export const written = Produced.with(text, text)

/** Topic, key, value and time of an input record. */
export type Row = readonly [topic: string, key: string | null, value: string | null, timestamp?: number]
type Config = ConstructorParameters<typeof TopologyTestDriver>[1]

/** A program whose topics all contain text, in a test driver. Records of `out` have the form `key:value@timestamp`. */
export class TextProgram implements AsyncDisposable {
  readonly driver: TopologyTestDriver
  readonly #out

  constructor(write: (builder: StreamsBuilder) => void, config: Config & Partial<StreamsConfig> = {}) {
    const builder = new StreamsBuilder()
    write(builder)
    this.driver = new TopologyTestDriver(builder.build(), config)
    this.#out = this.driver.createOutputTopic('out', text, text)
  }

  async pipe(...rows: readonly Row[]): Promise<void> {
    for (const [topic, key, value, timestamp] of rows) await this.driver.createInputTopic(topic, text, text).pipeInput(key, value, timestamp)
  }

  /** The output records since the last call. */
  take(): string[] {
    return this.#out.readRecordsToList().map(({ key, value, timestamp }) => `${key}:${value}@${timestamp}`)
  }

  /** Sends the rows, and returns the output records. */
  async after(...rows: readonly Row[]): Promise<string[]> {
    await this.pipe(...rows)
    return this.take()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.driver.close()
  }
}

/** Sends a stream of any type to `out` as text. */
export function toOut(stream: KStream<unknown, unknown>): void {
  stream.map((key, value) => [shown(key), value === null ? null : shown(value)] as const).to('out', written as Produced<string, unknown>)
}

/** Sends a table's updates to `out`. Windowed keys have the form `key[start,end]`. */
export function tableToOut(table: KTable<never, unknown> | KTable<string, unknown> | KTable<Windowed<string>, unknown>): void {
  toOut((table as KTable<unknown, unknown>).toStream())
}

function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'window' in value) {
    const { key, window } = value as Windowed<unknown>
    return `${key}[${window.start},${window.end}]`
  }
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined')
}
