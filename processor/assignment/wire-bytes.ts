import { WaggleError } from '../../topology/waggle-error.ts'
import { pushVarint, readVarint } from '../varint.ts'
import { numbersOf, type TaskId, taskId } from './group-task.ts'

/** The first byte of each message between members and leader. */
const wireVersion = 1

/** Writes whole numbers as varints, texts as length and UTF-8, and lists as count and items. */
export class WireWriter {
  readonly #bytes: number[] = [wireVersion]

  number(value: number): this {
    pushVarint(this.#bytes, value)
    return this
  }

  text(value: string): this {
    const bytes = new TextEncoder().encode(value)
    this.number(bytes.length)
    for (const byte of bytes) this.#bytes.push(byte)
    return this
  }

  list<T>(values: Iterable<T>, write: (value: T) => void): this {
    const all = [...values]
    this.number(all.length)
    for (const value of all) write(value)
    return this
  }

  task(id: TaskId): this {
    const [subtopology, partition] = numbersOf(id)
    return this.number(subtopology).number(partition)
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#bytes)
  }
}

/** Reads the bytes of a `WireWriter`. Throws WAGGLE_ASSIGNMENT_VERSION for another version. */
export class WireReader {
  readonly #bytes: Uint8Array
  readonly #what: string
  #at = 0

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes
    this.#what = what
    const version = this.#byte()
    if (version !== wireVersion) {
      throw new WaggleError('WAGGLE_ASSIGNMENT_VERSION', {
        message: `${what} is in version ${version} of the assignment protocol, and this process reads version ${wireVersion}`,
        next: 'Run one version of Waggle in a group: stop the processes of the older version, or start the new processes under another group.',
      })
    }
  }

  number(): number {
    const value = readVarint(() => this.#byte())
    return Number.isSafeInteger(value) ? value : this.#refuse('a number that is too large')
  }

  text(): string {
    const length = this.number()
    const end = this.#at + length
    if (end > this.#bytes.length) this.#refuse('a text that is cut off')
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(this.#bytes.subarray(this.#at, end))
    this.#at = end
    return text
  }

  list<T>(read: () => T): readonly T[] {
    const values: T[] = []
    for (let left = this.number(); left > 0; left--) values.push(read())
    return values
  }

  task(): TaskId {
    return taskId(this.number(), this.number())
  }

  end(): void {
    if (this.#at !== this.#bytes.length) this.#refuse(`${this.#bytes.length - this.#at} bytes too many`)
  }

  #byte(): number {
    const byte = this.#bytes[this.#at] ?? this.#refuse('an end that comes too early')
    this.#at += 1
    return byte
  }

  #refuse(has: string): never {
    throw new WaggleError('WAGGLE_ASSIGNMENT_UNREADABLE', {
      message: `${this.#what} has ${has} (byte ${this.#at})`,
      next: 'See to it that only processes of this application join its group.',
    })
  }
}
