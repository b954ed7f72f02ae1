import { connect, createServer, type Socket } from 'node:net'
import { startEmbeddedClickHouse } from '../../connectors/clickhouse/embedded-clickhouse.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'

export interface WritableClickHouse {
  /** A URL that accepts every statement, like a user's own ClickHouse. */
  readonly url: string
  close(): Promise<void>
}

/** A ClickHouse server for several processes under test: a port in front of the private socket of the embedded ClickHouse. */
export async function startWritableClickHouse(directory: string): Promise<WritableClickHouse> {
  const embedded = await startEmbeddedClickHouse({ directory, host: '127.0.0.1', port: 0, clock: systemClock, log: () => {} })
  const sockets = new Set<Socket>()
  const server = createServer((outside) => {
    const inside = connect(embedded.writerSocket)
    for (const socket of [outside, inside]) {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket)).on('error', () => {})
    }
    outside.on('close', () => inside.destroy())
    inside.on('close', () => outside.destroy())
    outside.pipe(inside).pipe(outside)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    url: `http://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`,
    async close() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await embedded.close()
    },
  }
}
