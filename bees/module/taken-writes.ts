import { StringDecoder } from 'node:string_decoder'

/** Takes the text that is written to a stream, for example by `console.log`. The returned function gives the stream its own `write` back. */
export function takeWrites(stream: Pick<NodeJS.WriteStream, 'write'>, onText: (text: string, chunk: string | Uint8Array) => void): () => void {
  const { write } = stream
  const decoder = new StringDecoder('utf8')
  stream.write = ((chunk: string | Uint8Array, encoding?: unknown, written?: unknown) => {
    onText(typeof chunk === 'string' ? chunk : decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)), chunk)
    const done = typeof encoding === 'function' ? encoding : written
    if (typeof done === 'function') process.nextTick(done)
    return true
  }) as NodeJS.WriteStream['write']
  return () => {
    stream.write = write
  }
}
