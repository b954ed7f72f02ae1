import { constants, type ServerHttp2Stream } from 'node:http2'
import { Duplex } from 'node:stream'
import type { ServerInterceptingCallInterface } from '@grpc/grpc-js'
import type { Clock } from '../../../processor/ports.ts'

/** The HTTP/2 stream of a call, and the encoding of its messages. */
export interface CallStream {
  readonly stream: ServerHttp2Stream
  readonly encoding: string
}

/**
 * The stream and the encoding of a call. Both are private members of grpc-js, which inflates a message before an interceptor can see its size. Throws
 * if a version of grpc-js has no such members: a gateway that cannot count the bytes of its calls must not accept calls.
 */
export function streamOf(call: ServerInterceptingCallInterface): CallStream {
  const { stream, incomingEncoding } = call as { readonly stream?: unknown; readonly incomingEncoding?: unknown }
  if (!(stream instanceof Duplex) || typeof incomingEncoding !== 'string') throw new Error('This version of grpc-js shows no stream of a call')
  return { stream: stream as ServerHttp2Stream, encoding: incomingEncoding }
}

/**
 * Ends the call of a caller that does not read. The stream of a caller that has stopped reading TCP cannot end, because its last frame waits behind the
 * bytes that the caller does not take. So its connection ends soon after.
 */
export function cutStream(stream: ServerHttp2Stream, clock: Pick<Clock, 'after'>): void {
  if (stream.destroyed) return
  stream.close(constants.NGHTTP2_CANCEL)
  const cancel = clock.after(lastFrameMs, () => stream.session?.destroy())
  stream.once('close', cancel)
}

/** The time in which the last frame of a stream must reach the socket. */
const lastFrameMs = 1_000
