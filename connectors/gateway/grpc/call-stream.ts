import type { ServerHttp2Stream } from 'node:http2'
import { Duplex } from 'node:stream'
import type { ServerInterceptingCallInterface } from '@grpc/grpc-js'

/** The HTTP/2 stream of a call, and the encoding of its messages. */
export interface CallStream {
  readonly stream: ServerHttp2Stream
  readonly encoding: string
}

/**
 * The stream below a call. grpc-js keeps both members to itself, and inflates a message before an interceptor may look. Throws if a version of the
 * library has them no more: a gateway that cannot count the bytes of its calls must not take any.
 */
export function streamOf(call: ServerInterceptingCallInterface): CallStream {
  const { stream, incomingEncoding } = call as { readonly stream?: unknown; readonly incomingEncoding?: unknown }
  if (!(stream instanceof Duplex) || typeof incomingEncoding !== 'string') throw new Error('This version of grpc-js shows no stream of a call')
  return { stream: stream as ServerHttp2Stream, encoding: incomingEncoding }
}
