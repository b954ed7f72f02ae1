import type { LogRecord } from '../ports.ts'

/** Records that no commit of their reader has passed: what it reads again after a crash. */
export class Uncommitted {
  readonly #records = new Map<string, LogRecord[]>()

  add(reader: string, record: LogRecord): void {
    const records = this.#records.get(reader)
    if (records === undefined) this.#records.set(reader, [record])
    else records.push(record)
  }

  /** It has committed up to here. */
  passed(reader: string, offset: number): void {
    const records = this.#records.get(reader)
    if (records === undefined) return
    const left = records.findIndex((record) => record.offset >= offset)
    if (left < 0) this.#records.delete(reader)
    else records.splice(0, left)
  }

  of(reader: string): readonly LogRecord[] {
    return this.#records.get(reader) ?? []
  }
}
