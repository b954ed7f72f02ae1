/** Waggle's bee protocol, version 1, in its binary form: everything that a Node program in a container needs to be a bee. */

export interface Picture {
  readonly height: number
  readonly width: number
  /** RGB, row after row. */
  readonly pixels: Uint8Array
}

export type Input =
  | { readonly kind: 'picture'; readonly picture: Picture }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'other' }

export type Output = { readonly json: unknown } | { readonly picture: Picture } | { readonly refuse: string }

/** Says hello, answers every request with `answer`, and ends when its input has ended and all requests are answered. */
export function serveBee(answer: (input: Input) => Output | Promise<Output>): void {
  process.stdout.write(`${JSON.stringify({ waggle: 1, form: 'binary' })}\n`)
  let rest: Buffer = Buffer.alloc(0)
  process.stdin.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    for (let length = frameLength(rest); length !== null; length = frameLength(rest)) {
      const frame = rest.subarray(0, length)
      rest = rest.subarray(length)
      void reply(frame, answer)
    }
  })
  // The reader of the output may be gone before the end of the input is noticed.
  process.stdout.on('error', () => process.exit(0))
}

async function reply(frame: Buffer, answer: (input: Input) => Output | Promise<Output>): Promise<void> {
  const { head, body } = parts(frame)
  try {
    const output = await answer(inputOf(head, body))
    if ('picture' in output) {
      const { height, width, pixels } = output.picture
      write({ id: head.id, tensors: [{ name: 'image', datatype: 'UINT8', shape: [height, width, 3], at: 0, length: pixels.length }] }, pixels)
    } else write({ id: head.id, ...output }, nothing)
  } catch (error) {
    write({ id: head.id, error: error instanceof Error ? error.message : String(error) }, nothing)
  }
}

interface Head {
  readonly id: number
  readonly content_type: string
  readonly at?: number
  readonly length?: number
  readonly tensors?: readonly { readonly datatype: string; readonly shape: readonly number[]; readonly at: number; readonly length: number }[]
}

function inputOf({ tensors, at, length }: Head, body: Uint8Array): Input {
  const image = tensors?.find(({ datatype, shape }) => datatype === 'UINT8' && shape.length === 3 && shape[2] === 3)
  if (image !== undefined) {
    const [height = 0, width = 0] = image.shape
    const pixels = body.subarray(image.at, image.at + image.length)
    return height > 0 && width > 0 && pixels.length === height * width * 3
      ? { kind: 'picture', picture: { height, width, pixels } }
      : { kind: 'other' }
  }
  return at === undefined || length === undefined ? { kind: 'other' } : { kind: 'bytes', bytes: body.subarray(at, at + length) }
}

/** The length of the first frame in `bytes`; null if the frame is incomplete. */
function frameLength(bytes: Buffer): number | null {
  if (bytes.length < 8) return null
  const length = 8 + bytes.readUInt32LE(0) + bytes.readUInt32LE(4)
  return bytes.length < length ? null : length
}

function parts(frame: Buffer): { readonly head: Head; readonly body: Uint8Array } {
  const bodyAt = 8 + frame.readUInt32LE(0)
  return { head: JSON.parse(frame.toString('utf8', 8, bodyAt)) as Head, body: frame.subarray(bodyAt) }
}

function write(head: object, body: Uint8Array): void {
  const text = Buffer.from(JSON.stringify(head))
  const lengths = Buffer.alloc(8)
  lengths.writeUInt32LE(text.length, 0)
  lengths.writeUInt32LE(body.length, 4)
  process.stdout.write(Buffer.concat([lengths, text, body]))
}

const nothing = new Uint8Array(0)
