import { randomInt } from 'node:crypto'
import { createServer, type Server } from 'node:net'

/**
 * Free ports of this machine. They are below the range from which the system takes ports for connections, so that no connection takes a port before
 * its server has started. All ports are held open at the same time, so that no two are equal.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const held = await Promise.all(Array.from({ length: count }, hold))
  await Promise.all(held.map(({ server }) => new Promise((resolve) => server.close(resolve))))
  return held.map(({ port }) => port)
}

/** Holds a port open. */
async function hold(): Promise<{ readonly server: Server; readonly port: number }> {
  for (let attempt = 1; ; attempt++) {
    const server = createServer()
    const port = randomInt(lowest, highest)
    try {
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
      return { server, port }
    } catch (thrown) {
      if (attempt === maxAttempts) throw thrown
    }
  }
}

/** The end of the range for servers. The system gives connections ports from 32,768 on (Linux) or from 49,152 on (macOS). */
const highest = 32_768
const lowest = 16_384
const maxAttempts = 100
