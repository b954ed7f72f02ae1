import { AllowedHosts } from '../../connectors/http/allowed-hosts.ts'
import { ModelCache } from '../../connectors/objects/model-cache.ts'
import { WebObjects } from '../../connectors/objects/web-objects.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'

/** A process that fetches one model into a cache: `cache-process.ts DIRECTORY ADDRESS`. It prints the path, and uses the model until its input ends. */
const [directory = '', address = ''] = process.argv.slice(2)
const store = new WebObjects({ hosts: AllowedHosts.parse('127.0.0.1'), clock: systemClock })
const cache = new ModelCache({ directory, maxBytes: 1e9, storeOf: () => store, clock: systemClock })
const path = await cache.path({ address, kind: 'file', log: (level, message) => void process.stderr.write(`${level} ${message}\n`) })
process.stdout.write(`${path}\n`)
for await (const _ of process.stdin);
await cache.close()
