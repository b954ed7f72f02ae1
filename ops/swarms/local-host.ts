import type { HostOptions } from '../../bees/host.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import type { Clock } from '../../processor/ports.ts'
import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import { invalidSwarm } from '../../topology/swarm/document.ts'
import type { Database } from '../../topology/swarm/ports/database.ts'
import { withSecrets } from '../../topology/swarm/secrets.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import { beePorts } from '../beekeeper/bee-ports.ts'
import { openRemoteModels } from '../beekeeper/open-remote-models.ts'
import { ModelPlaces } from '../config/model-places.ts'
import type { SwarmSource } from './swarm-source.ts'

export interface LocalHostOptions {
  readonly bees: readonly SwarmBee[]
  readonly database: Database
  readonly clock: Clock
  readonly log: HostOptions['log']
}

/** The options of a `SwarmHost` outside of a beekeeper: the ports of this process, and paths relative to the swarm's directory. */
export function localHostOptions({ swarm, registry, config, directory }: SwarmSource, { bees, database, clock, log }: LocalHostOptions): HostOptions {
  const { settings, resolve, secrets } = config
  const remote = openRemoteModels(settings, systemClock)
  const places = new ModelPlaces({ resolve, directory, remote, mayFetch: true })
  const mistakes: WaggleError[] = []
  const filled = bees.map((bee, at) => ({ ...bee, spec: withSecrets(swarm.document, bee.spec, ['bees', at, 'spec'], secrets, mistakes) }))
  if (mistakes.length > 0) throw invalidSwarm(swarm.document.file, mistakes)
  return {
    swarm: swarm.name,
    registry,
    ports: beePorts({ settings, threads: settings.model_threads ?? 1, database }),
    bees: filled,
    specPlace: (bee) => swarm.document.place(['bees', bees.findIndex(({ name }) => name === bee.name), 'spec']),
    now: () => clock.now(),
    after: (ms, act) => clock.after(ms, act),
    resolve: (uri, kind, fetch) => places.path(uri, kind, fetch),
    resolveCommand: (image) => resolve.command(image),
    log,
  }
}
