import protobuf from 'protobufjs'
import { ProblemError } from '../http/problem.ts'
import { decoded } from './proto-file.ts'

/**
 * A message with the input of a request, as it came. Its texts, such as the name of the gateway, can be read without the rest. So the caller's scope and
 * limits are checked before the process pays for decoding its tensors.
 */
export class ReceivedInput<T extends object> {
  readonly #type: protobuf.Type
  readonly #bytes: Uint8Array
  readonly #read = new Map<string, string>()

  constructor(type: protobuf.Type, bytes: Uint8Array) {
    this.#type = type
    this.#bytes = bytes
  }

  /** A text field of the message; empty if the message does not have it. Throws WAGGLE_BAD_BODY for bytes that are no message. */
  text(field: string & keyof T): string {
    const known = this.#read.get(field)
    if (known !== undefined) return known
    const found = this.#find(this.#type.fields[field]?.id ?? 0)
    this.#read.set(field, found)
    return found
  }

  /** Throws WAGGLE_BAD_BODY for bytes that are no message, for too many values, and for a message in which a text that was read is there twice. */
  decode(): T {
    const message = decoded<T>(this.#type, this.#bytes)
    for (const [field, text] of this.#read)
      if ((message as { readonly [field: string]: unknown })[field] !== text)
        throw new ProblemError('WAGGLE_BAD_BODY', `The message has more than one ${field}, or has it behind ${maxFields} other fields`)
    return message
  }

  #find(id: number): string {
    try {
      const reader = protobuf.Reader.create(this.#bytes)
      for (let count = 0; reader.pos < reader.len && count < maxFields; count++) {
        const tag = reader.uint32()
        if (tag >>> 3 === id && (tag & 7) === lengthDelimited) return reader.string()
        reader.skipType(tag & 7)
      }
      return ''
    } catch {
      throw new ProblemError('WAGGLE_BAD_BODY', `The bytes are not a ${this.#type.name}`)
    }
  }
}

/** Writers put the fields of a message in the order of their numbers, and texts that name something have the first ones. */
const maxFields = 10_000
const lengthDelimited = 2
