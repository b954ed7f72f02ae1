import { Streams, type StreamsConfig } from 'waggle-streams'
import { topology } from './visits.ts'

/** A process of the program that counts visits, on a cluster, until it is killed or asked to stop. Its configuration is an argument. */
const config = JSON.parse(process.argv[2] ?? '') as StreamsConfig
const streams = new Streams(topology, { ...config, module: new URL('./visits.ts', import.meta.url) })
process.on('SIGTERM', () => void streams.close({ timeoutMs: 20_000 }).then(() => process.exit(0)))
await streams.start()
process.stdout.write('{"event":"ready","gateway":"","clickhouse":null}\n')
