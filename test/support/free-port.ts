import { createServer } from 'node:net'
import { freePorts } from '../../ops/bench/free-ports.ts'

/** A port at which no server listens now. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1)
  if (port === undefined) throw new Error('There is no free port')
  return port
}

/** The first of two adjacent free ports. */
export async function freePortPair(): Promise<number> {
  for (;;) {
    const port = await freePort()
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port + 1, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (isFree) return port
  }
}
