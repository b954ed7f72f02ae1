import { readFileSync } from 'node:fs'
import protobuf from 'protobufjs'
import descriptor, { type IDescriptorProto, type IFileDescriptorProto } from 'protobufjs/ext/descriptor.js'
import { boundValues } from '../../protobuf/message-size.ts'
import { ProblemError } from '../http/problem.ts'

/** A file of `protos/`: its messages, its services, and its descriptor for reflection. */
export class ProtoFile {
  readonly name: string
  /** The serialized FileDescriptorProto. */
  readonly descriptor: Uint8Array
  /** The full names of all declarations in the file: services, methods, messages, fields and enums. */
  readonly symbols: ReadonlySet<string>
  readonly #root: protobuf.Root

  constructor(name: string) {
    const text = readFileSync(new URL(`./protos/${name}`, import.meta.url), 'utf8')
    const { root } = protobuf.parse(text, new protobuf.Root(), { keepCase: true })
    root.resolveAll()
    this.name = name
    this.#root = root
    this.symbols = new Set(symbolsIn(root))
    const file = root.toDescriptor('proto3').file[0]
    if (file === undefined) throw new Error(`${name} declares nothing`)
    this.descriptor = descriptor.FileDescriptorProto.encode(qualified({ ...file, name }, this.symbols)).finish()
  }

  type(name: string): protobuf.Type {
    return this.#root.lookupType(name)
  }

  service(name: string): protobuf.Service {
    return this.#root.lookupService(name)
  }
}

/** Decodes a message of a caller. Throws WAGGLE_BAD_BODY for bytes that are not a message of this type, and for a message with too many values. */
export function decoded<T>(type: protobuf.Type, bytes: Uint8Array): T {
  try {
    const error = () => new ProblemError('WAGGLE_BAD_BODY', `The message has more than ${maxValues} values: send tensors as raw contents`)
    boundValues(type, bytes, { most: maxValues, error, ...costs })
    return type.decode(bytes) as unknown as T
  } catch (thrown) {
    if (thrown instanceof ProblemError) throw thrown
    throw new ProblemError('WAGGLE_BAD_BODY', `The bytes are not a ${type.name}`)
  }
}

/** Decodes a message that has no input of a request. Throws what `decoded` throws, and WAGGLE_BODY_TOO_LARGE. */
export function decodedSmall<T>(type: protobuf.Type, bytes: Uint8Array): T {
  if (bytes.byteLength <= maxSmallBytes) return decoded(type, bytes)
  throw new ProblemError('WAGGLE_BODY_TOO_LARGE', `A ${type.name} has at most ${maxSmallBytes} bytes`)
}

/** Callers without any scope may send such messages, and those of health and reflection come from callers without a token. */
const maxSmallBytes = 64 * 1024

/**
 * A text or a buffer takes 115 bytes of memory, and a 64-bit number, which protobufjs gives as an object, 58. With these bounds a message takes at most
 * 25 MB beside its floats, which take twice their bytes, and about 0.1 s of a core, measured for each kind of field.
 */
const maxValues = 1_000_000
const costs = { costOfBytes: 5, costOfInteger64: 3 }

function* symbolsIn(parent: protobuf.NamespaceBase): Generator<string> {
  for (const child of parent.nestedArray) {
    yield child.fullName.slice(1)
    if (child instanceof protobuf.Type) for (const { fullName } of child.fieldsArray) yield fullName.slice(1)
    if (child instanceof protobuf.Service) for (const { fullName } of child.methodsArray) yield fullName.slice(1)
    if (child instanceof protobuf.Namespace) yield* symbolsIn(child)
  }
}

/** The descriptor with full names of types, as compilers write it. protobufjs writes relative names, which some clients cannot resolve. */
function qualified(file: IFileDescriptorProto, symbols: ReadonlySet<string>): IFileDescriptorProto {
  const scope = file.package ?? ''
  const fullName = (name: string, within: string): string => {
    if (name.startsWith('.')) return name
    for (let outer = within; ; outer = outer.slice(0, Math.max(0, outer.lastIndexOf('.')))) {
      const full = outer === '' ? name : `${outer}.${name}`
      if (symbols.has(full)) return `.${full}`
      if (outer === '') throw new Error(`${name} in ${within} is not declared`)
    }
  }
  const message = (one: IDescriptorProto, within: string): IDescriptorProto => {
    const own = `${within}.${one.name}`
    const entries = new Map(
      (one.nestedType ?? []).flatMap(({ name, options }) => (options?.mapEntry === true && name !== undefined ? [[name, `.${own}.${name}`]] : [])),
    )
    return {
      ...one,
      field: (one.field ?? []).map((field) => ({
        ...field,
        ...(field.typeName === undefined || field.typeName === '' ? {} : { typeName: entries.get(field.typeName) ?? fullName(field.typeName, own) }),
      })),
      nestedType: (one.nestedType ?? []).map((nested) => message(nested, own)),
    }
  }
  return {
    ...file,
    messageType: (file.messageType ?? []).map((one) => message(one, scope)),
    service: (file.service ?? []).map((service) => ({
      ...service,
      method: (service.method ?? []).map((method) => ({
        ...method,
        inputType: fullName(method.inputType ?? '', scope),
        outputType: fullName(method.outputType ?? '', scope),
      })),
    })),
  }
}
