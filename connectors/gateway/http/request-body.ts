import type { FastifyRequest } from 'fastify'
import { joinedType, jsonType, tensorsType } from '../../../topology/swarm/payload-serde.ts'
import { decodeTensors } from '../../../topology/swarm/tensor-codec.ts'
import { ProblemError } from './problem.ts'

export interface RequestBody {
  readonly bytes: Uint8Array
  readonly contentType: string
}

/** The body as it goes into the log: checked where its type says what it must be, and otherwise as it came. */
export async function readBody(request: FastifyRequest): Promise<RequestBody> {
  if (request.isMultipart()) return readMultipart(request)
  const contentType = request.headers['content-type'] ?? 'application/octet-stream'
  const bytes = request.body instanceof Uint8Array ? request.body : new Uint8Array(0)
  return checked(bytes, contentType)
}

function checked(bytes: Uint8Array, contentType: string): RequestBody {
  if (bytes.length === 0) throw new ProblemError(400, 'WAGGLE_EMPTY_BODY', 'The body is empty: send the input of the swarm as the body')
  const mediaType = (contentType.split(';', 1)[0] ?? '').trim().toLowerCase()
  if (mediaType === joinedType) throw new ProblemError(415, 'WAGGLE_CONTENT_TYPE', `${joinedType} is not accepted from outside`)
  if (mediaType === jsonType) {
    attempt('The body is no JSON', () => JSON.parse(utf8.decode(bytes)))
    return { bytes, contentType: jsonType }
  }
  if (mediaType === tensorsType) {
    attempt('The body holds no tensors', () => decodeTensors(bytes))
    return { bytes, contentType: tensorsType }
  }
  return { bytes, contentType }
}

/** One file is the input itself; fields without a file are a JSON object of them. */
async function readMultipart(request: FastifyRequest): Promise<RequestBody> {
  const fields: { [name: string]: string } = {}
  let file: RequestBody | null = null
  for await (const part of request.parts()) {
    if (part.type === 'field') {
      fields[part.fieldname] = String(part.value)
      continue
    }
    const bytes = await part.toBuffer()
    if (file !== null) throw new ProblemError(400, 'WAGGLE_BAD_BODY', 'The body has more than one file: a request is one input')
    file = { bytes, contentType: part.mimetype }
  }
  if (file !== null) return checked(file.bytes, file.contentType)
  if (Object.keys(fields).length > 0) return { bytes: Buffer.from(JSON.stringify(fields)), contentType: jsonType }
  throw new ProblemError(400, 'WAGGLE_EMPTY_BODY', 'The body has no part: send one file')
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function attempt(what: string, parse: () => unknown): void {
  try {
    parse()
  } catch (thrown) {
    throw new ProblemError(400, 'WAGGLE_BAD_BODY', `${what}: ${thrown instanceof Error ? thrown.message : String(thrown)}`)
  }
}
