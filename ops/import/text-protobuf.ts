import { invalidSwarm, mistakeAt } from '../../topology/swarm/swarm-document.ts'

/** A field of a message. If a file contains a field several times, each occurrence is a `ProtoField`. */
export interface ProtoField {
  readonly name: string
  readonly value: ProtoValue
  /** The place `file:line:col` of the field's name, or of the item in a list. */
  readonly place: string
}

/** The value of a field: a text without its quotes, a number or an enumerator as written in the file, or a message. */
export type ProtoValue = string | ProtoMessage

export class ProtoMessage {
  readonly fields: readonly ProtoField[]

  constructor(fields: readonly ProtoField[]) {
    this.fields = fields
  }

  /** All fields with this name. */
  all(name: string): readonly ProtoField[] {
    return this.fields.filter((field) => field.name === name)
  }

  /** The text of the last field with this name; null if there is none. */
  text(name: string): string | null {
    const value = this.all(name).at(-1)?.value
    return typeof value === 'string' ? value : null
  }

  /** All messages with this name, with their places. */
  messages(name: string): readonly { readonly message: ProtoMessage; readonly place: string }[] {
    return this.all(name).flatMap(({ value, place }) => (value instanceof ProtoMessage ? [{ message: value, place }] : []))
  }
}

/**
 * Reads protobuf's text format (https://protobuf.dev/reference/protobuf/textformat-spec/), without extensions. Throws WAGGLE_INVALID_SWARM with the
 * place of the first mistake. A file that is nested too deeply or has too many fields is a mistake too.
 */
export function readTextProtobuf(text: string, file: string): ProtoMessage {
  return new Reader(text, file).message()
}

class Reader {
  readonly #text: string
  readonly #file: string
  readonly #token =
    /\s+|#[^\n]*|(?<name>[A-Za-z_]\w*)|(?<number>[-+]?\.?\d[\w.+-]*)|(?<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?<mark>[{}<>[\]:;,-])/gy
  #kind: 'name' | 'number' | 'text' | 'mark' | 'end' = 'end'
  #value = ''
  #at = 0
  #fields = 0
  #line = 1
  #lineStart = 0
  #counted = 0

  constructor(text: string, file: string) {
    this.#text = text
    this.#file = file
    this.#next()
  }

  message(): ProtoMessage {
    return this.#message('', 0)
  }

  #message(closing: string, depth: number): ProtoMessage {
    if (depth > maxDepth) throw this.#wrong(`messages are nested more than ${maxDepth} levels deep`, 'Flatten them.')
    const fields: ProtoField[] = []
    while (!this.#isEnd(closing)) {
      if (this.#kind !== 'name')
        throw this.#wrong(`${this.#shown()} stands where a field begins`, closing === '' ? 'Write name: value.' : `Write name: value, or ${closing}.`)
      this.#field(fields, depth)
      while (this.#isMark(',') || this.#isMark(';')) this.#next()
    }
    if (closing !== '') this.#next()
    return new ProtoMessage(fields)
  }

  #field(fields: ProtoField[], depth: number): void {
    const name = this.#value
    const place = this.#place()
    this.#next()
    const hasColon = this.#isMark(':')
    if (hasColon) this.#next()
    const add = (place: string) => {
      if (++this.#fields > maxFields) throw this.#wrong(`the file has more than ${maxFields} fields`, 'Make the file smaller.')
      fields.push({ name, value: this.#single(hasColon, depth), place })
    }
    if (!this.#isMark('[')) {
      add(place)
      return
    }
    this.#next()
    while (!this.#isMark(']')) {
      add(this.#place())
      if (this.#isMark(',')) this.#next()
      else if (!this.#isMark(']')) throw this.#wrong(`${this.#shown()} stands inside a list`, 'Write , or ].')
    }
    this.#next()
  }

  #single(hasColon: boolean, depth: number): ProtoValue {
    if (this.#isMark('{') || this.#isMark('<')) {
      const closing = this.#value === '{' ? '}' : '>'
      this.#next()
      return this.#message(closing, depth + 1)
    }
    if (!hasColon) throw this.#wrong(`${this.#shown()} stands behind a field's name`, 'Write : before a value, or { before a message.')
    let value = ''
    if (this.#kind === 'text') {
      // Adjacent quoted texts are one text.
      for (; this.#kind === 'text'; this.#next()) value += unescaped(this.#value.slice(1, -1))
      return value
    }
    if (this.#isMark('-')) {
      value = '-'
      this.#next()
    }
    if (this.#kind !== 'name' && this.#kind !== 'number') throw this.#wrong(`${this.#shown()} is no value`, 'Write a text, a number or a name.')
    value += this.#value
    this.#next()
    return value
  }

  #isEnd(closing: string): boolean {
    return this.#kind === 'end' ? closing === '' : this.#isMark(closing)
  }

  #isMark(mark: string): boolean {
    return this.#kind === 'mark' && this.#value === mark
  }

  #next(): void {
    for (;;) {
      this.#at = this.#token.lastIndex
      if (this.#at >= this.#text.length) {
        this.#kind = 'end'
        this.#value = ''
        return
      }
      const groups = this.#token.exec(this.#text)?.groups
      if (groups === undefined) {
        this.#kind = 'mark'
        this.#value = this.#text[this.#at] ?? ''
        throw this.#wrong(`${this.#shown()} has no meaning here`, 'Take it out.')
      }
      for (const kind of ['name', 'number', 'text', 'mark'] as const) {
        const value = groups[kind]
        if (value === undefined) continue
        this.#kind = kind
        this.#value = value
        return
      }
    }
  }

  #shown(): string {
    return this.#kind === 'end' ? 'the end of the file' : JSON.stringify(this.#value)
  }

  #place(): string {
    // The count of lines continues from the last place. Each character is therefore read only once, even in a file with many places.
    for (; this.#counted < this.#at; this.#counted++) {
      if (this.#text[this.#counted] !== '\n') continue
      this.#line++
      this.#lineStart = this.#counted + 1
    }
    return `${this.#file}:${this.#line}:${this.#at - this.#lineStart + 1}`
  }

  #wrong(message: string, next: string) {
    return invalidSwarm(this.#file, [mistakeAt(this.#place(), message, next)])
  }
}

function unescaped(text: string): string {
  return text.replace(/\\([nrt"'\\]|[0-7]{1,3}|x[0-9a-fA-F]{1,2}|.)/g, (_, code: string) => {
    if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8))
    if (/^x./.test(code)) return String.fromCharCode(Number.parseInt(code.slice(1), 16))
    return { n: '\n', r: '\r', t: '\t' }[code] ?? code
  })
}

const maxDepth = 64
const maxFields = 100_000
