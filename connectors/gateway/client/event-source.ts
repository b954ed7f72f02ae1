/** One event of a `text/event-stream` response (HTML Living Standard, 9.2). */
export interface SentEvent {
  readonly event: string
  readonly id: string
  readonly data: string
}

/** The events of a response, in the order of their arrival. Throws if one event has more than `maxEventCharacters`, or if the connection breaks. */
export async function* sentEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<SentEvent> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      // A carriage return at the end of a chunk may be half of a line's end, so the search for an event's end waits for the next chunk.
      text += decoder.decode(value, { stream: true })
      const blocks = text.split(/\r\n\r\n|\n\n|\r\r(?!\n)/)
      text = blocks.pop() ?? ''
      if (text.length > maxEventCharacters) throw new RangeError(`An event has more than ${maxEventCharacters} characters`)
      for (const block of blocks) {
        const event = eventIn(block)
        if (event !== null) yield event
      }
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

/** The event of a block of lines; null for a comment. */
function eventIn(block: string): SentEvent | null {
  const fields = { event: 'message', id: '', data: [] as string[] }
  for (const line of block.split(/\r\n|\n|\r/)) {
    const [, name, value = ''] = /^([^:]+)(?:: ?(.*))?$/s.exec(line) ?? []
    if (name === 'event' || name === 'id') fields[name] = value
    if (name === 'data') fields.data.push(value)
  }
  return fields.data.length === 0 ? null : { ...fields, data: fields.data.join('\n') }
}

const maxEventCharacters = 64 * 1024 * 1024
