import type { FastifyReply, FastifyRequest } from 'fastify'
import { mediaTypeOf } from '../../../topology/media-type.ts'
import { edgeJson, withoutMark } from '../../../topology/swarm/payload/json-value.ts'
import { isOwnType, jsonType, tensorsType } from '../../../topology/swarm/payload/payload-serde.ts'
import { decodeTensors } from '../../../topology/swarm/payload/tensor-codec.ts'
import type { BodyLimits } from './body-limits.ts'
import { readForm } from './multipart-body.ts'
import { ProblemError } from './problem.ts'
import { jsonOfUrlencoded } from './urlencoded-body.ts'

export interface RequestBody {
  readonly bytes: Uint8Array
  readonly contentType: string
}

/**
 * Reads the body of a request as a payload for the log. JSON, forms and tensors are checked. A body of any other content type is accepted unchecked.
 * Throws a ProblemError.
 */
export async function readBody(request: FastifyRequest, reply: FastifyReply, bodies: BodyLimits): Promise<RequestBody> {
  const contentType = request.headers['content-type'] ?? 'application/octet-stream'
  const bytes = await bodies.read(request.raw, reply.raw)
  if (/^multipart\/form-data\b/i.test(contentType)) return readMultipart(bytes, contentType)
  return checkedBody(bytes, contentType)
}

/** Reads a body that must be JSON. Its content type is ignored. Throws a ProblemError. */
export async function readJson(request: FastifyRequest, reply: FastifyReply, bodies: BodyLimits): Promise<unknown> {
  const bytes = await bodies.read(request.raw, reply.raw)
  return attempt('The body is not JSON', () => edgeJson(bytes))
}

/** Checks bytes as a payload of this content type. Throws a ProblemError. */
export function checkedBody(bytes: Uint8Array, contentType: string): RequestBody {
  if (bytes.length === 0) throw new ProblemError('WAGGLE_EMPTY_BODY', 'The body is empty: send the input of the swarm as the body')
  if (contentType.length > maxTypeCharacters || !/^[\t\x20-\x7e]*$/.test(contentType))
    throw new ProblemError('WAGGLE_CONTENT_TYPE', `A content type has at most ${maxTypeCharacters} characters, all of them printable ASCII`)
  const mediaType = mediaTypeOf(contentType)
  if (isOwnType(mediaType)) throw new ProblemError('WAGGLE_CONTENT_TYPE', `${mediaType} is not accepted from outside`)
  if (mediaType === 'application/x-www-form-urlencoded') return checkedBody(jsonOfUrlencoded(bytes), jsonType)
  if (mediaType === jsonType) {
    attempt('The body is not JSON', () => edgeJson(bytes))
    return { bytes: withoutMark(bytes), contentType: jsonType }
  }
  if (mediaType === tensorsType) {
    attempt('The body holds no tensors', () => decodeTensors(bytes))
    return { bytes, contentType: tensorsType }
  }
  return { bytes, contentType }
}

async function readMultipart(bytes: Buffer<ArrayBuffer>, contentType: string): Promise<RequestBody> {
  const form = await readForm(bytes, contentType)
  if (form.kind === 'file') return checkedBody(form.bytes, form.contentType)
  return checkedBody(Buffer.from(JSON.stringify(Object.fromEntries(form.fields))), jsonType)
}

function attempt<T>(what: string, parse: () => T): T {
  try {
    return parse()
  } catch (thrown) {
    throw new ProblemError('WAGGLE_BAD_BODY', `${what}: ${thrown instanceof Error ? thrown.message : String(thrown)}`)
  }
}

/** The limit of a content type, because the content type becomes a header of records and answers. */
const maxTypeCharacters = 255
