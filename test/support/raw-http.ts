import { connect, type Socket } from 'node:net'

/** One response as it arrived over a socket. */
export interface RawResponse {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

/** Sends bytes unchanged. Settles with all responses when the server has closed the connection, or with the first `count` responses. */
export async function talk(url: string, bytes: string | Uint8Array, count = Number.POSITIVE_INFINITY): Promise<readonly RawResponse[]> {
  const socket = await connected(url)
  socket.write(bytes)
  return heard(socket, count)
}

export async function connected(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  await new Promise((resolve) => socket.once('connect', resolve))
  return socket
}

/** Throws if the received bytes are not a sequence of HTTP responses. */
export function heard(socket: Socket, count = Number.POSITIVE_INFINITY): Promise<readonly RawResponse[]> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0)
    const told = (isWhole: boolean) => {
      try {
        const responses = parse(bytes, isWhole)
        if (!isWhole && responses.length < count) return
        socket.destroy()
        resolve(responses)
      } catch (error) {
        socket.destroy()
        reject(error)
      }
    }
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
      told(false)
    })
    socket.once('close', () => told(true))
  })
}

function parse(bytes: Buffer, isWhole: boolean): readonly RawResponse[] {
  const responses: RawResponse[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf('\r\n\r\n', at)
    if (end < 0) {
      if (isWhole) throw new Error(`No end of the headers: ${bytes.toString('latin1', at, at + 200)}`)
      break
    }
    const [first = '', ...lines] = bytes.toString('latin1', at, end).split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1] ?? Number.NaN)
    if (Number.isNaN(status)) throw new Error(`No status line: ${first}`)
    const headers = new Map(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()] as const))
    const length = status === 100 || status === 204 || status === 304 ? 0 : Number(headers.get('content-length') ?? Number.NaN)
    if (Number.isNaN(length)) throw new Error(`No length: ${first}`)
    if (bytes.length < end + 4 + length) {
      if (isWhole) throw new Error(`A body of ${length} bytes is cut: ${first}`)
      break
    }
    responses.push({ status, headers, body: bytes.toString('utf8', end + 4, end + 4 + length) })
    at = end + 4 + length
  }
  return responses
}
