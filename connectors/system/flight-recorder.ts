import { closeSync, existsSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import type { FlightRecorder, RecordDeaths } from '../../processor/ports.ts'
import { makeDirectory } from './file-error.ts'

/**
 * A journal of the calls in flight: one line when a call begins, and one when it ends. Nothing is synced, because the journal must survive only a
 * crash of the process, not of the machine. If the disk is full, calls go on without a journal. Calls that begin together are written with one
 * system call, together with the calls that ended before.
 */
export class FileFlightRecorder implements FlightRecorder {
  readonly suspects: Map<string, RecordDeaths>
  readonly #file: string
  readonly #flying = new Map<number, readonly string[]>()
  #descriptor: number
  #bytes = 0
  #next = 0
  /** Lines that are not in the file yet. */
  #lines = ''

  private constructor(file: string, suspects: Map<string, RecordDeaths>) {
    this.#file = file
    this.suspects = suspects
    this.#descriptor = this.#rewrite()
  }

  /** Opens the journal, and reads the lines of an earlier process that died. `onNotice` reports damaged lines, whose calls are unknown. */
  static open(file: string, { onNotice = () => {} }: { readonly onNotice?: (notice: string) => void } = {}): FileFlightRecorder {
    makeDirectory(dirname(file))
    if (!existsSync(file)) return new FileFlightRecorder(file, new Map())
    const { suspects, damaged } = suspectsOf(readFileSync(file, 'utf8'))
    if (damaged > 0) onNotice(`${damaged} lines of ${file} are damaged: requests in them that may have ended the process are tried like all others.`)
    return new FileFlightRecorder(file, suspects)
  }

  begin(records: readonly string[]): () => void {
    const flight = this.#next++
    this.#flying.set(flight, records)
    this.#add([flight, records])
    return () => {
      this.#flying.delete(flight)
      if (this.suspects.size > 0) for (const record of records) this.suspects.delete(record)
      // The end of a call is written together with the next call that begins, and at the latest when this turn of the event loop is over.
      if (this.#lines === '') process.nextTick(() => this.write())
      this.#add([flight])
    }
  }

  write(): void {
    const lines = this.#lines
    if (lines === '') return
    this.#lines = ''
    try {
      writeSync(this.#descriptor, lines)
    } catch {
      return
    }
    this.#bytes += lines.length
    if (this.#bytes < maxBytes) return
    closeSync(this.#descriptor)
    this.#descriptor = this.#rewrite()
  }

  /** Deletes the journal. After an orderly stop no record is suspect. */
  close(): void {
    closeSync(this.#descriptor)
    // The number of the descriptor may soon belong to another file. A call that ends later must not write into that file.
    this.#descriptor = -1
    rmSync(this.#file, { force: true })
  }

  #add(line: Line): void {
    this.#lines += `${JSON.stringify(line)}\n`
  }

  /** Starts a new file with the suspect records and the calls in flight. The old file stays in place until the new file is complete. */
  #rewrite(): number {
    const next = `${this.#file}.next`
    const deaths = [...this.suspects].map(([record, { all, alone }]) => [record, [all, alone]] as const)
    const lines: Line[] = [Object.fromEntries(deaths), ...this.#flying]
    writeFileSync(next, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
    renameSync(next, this.#file)
    this.#bytes = 0
    return openSync(this.#file, 'a')
  }
}

/** One line of the journal: the deaths of each record (only the first line), the start of a flight, or its end. */
type Line = { readonly [record: string]: Deaths } | readonly [flight: number, records: readonly string[]] | readonly [flight: number]
type Deaths = readonly [all: number, alone: number]

const maxBytes = 1024 * 1024

function suspectsOf(journal: string): { readonly suspects: Map<string, RecordDeaths>; readonly damaged: number } {
  let damaged = 0
  const flying = new Map<number, readonly string[]>()
  const suspects = new Map<string, RecordDeaths>()
  // If the process died during a write, the last line is cut off and left out.
  const whole = journal.slice(0, journal.lastIndexOf('\n') + 1)
  for (const text of whole.split('\n')) {
    const line = lineOf(text)
    if (line === null && text !== '') damaged++
    if (line === null) continue
    if (!isFlight(line)) for (const [record, [all, alone]] of Object.entries(line)) suspects.set(record, { all, alone })
    else if (line.length === 2) flying.set(line[0], line[1])
    else {
      for (const record of flying.get(line[0]) ?? []) suspects.delete(record)
      flying.delete(line[0])
    }
  }
  const inFlight = new Set([...flying.values()].flat())
  const lone = inFlight.size === 1 ? 1 : 0
  for (const record of inFlight) {
    const { all, alone } = suspects.get(record) ?? { all: 0, alone: 0 }
    suspects.set(record, { all: all + 1, alone: alone + lone })
  }
  return { suspects, damaged }
}

/** Parses one line of the journal; null if a full disk cut it short or a disk damaged it. */
function lineOf(text: string): Line | null {
  try {
    const line: unknown = JSON.parse(text)
    return isLine(line) ? line : null
  } catch {
    return null
  }
}

function isLine(line: unknown): line is Line {
  if (line === null || typeof line !== 'object') return false
  if (!Array.isArray(line)) return Object.values(line).every(isDeaths)
  const [flight, records] = line as readonly unknown[]
  return typeof flight === 'number' && (line.length === 1 || (Array.isArray(records) && records.every((record) => typeof record === 'string')))
}

function isDeaths(value: unknown): value is Deaths {
  return Array.isArray(value) && value.length === 2 && value.every((count) => Number.isSafeInteger(count) && count >= 0)
}

function isFlight(line: Line): line is Exclude<Line, { readonly [record: string]: Deaths }> {
  return Array.isArray(line)
}
