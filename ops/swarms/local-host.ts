import type { HostOptions } from '../../bees/hosting/host-options.ts'
import type { HostRedactions } from '../../bees/hosting/redacted-host.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import type { Clock } from '../../processor/ports.ts'
import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import type { Database } from '../../topology/swarm/ports/database.ts'
import { beePorts } from '../beekeeper/bee-ports.ts'
import { openRemoteModels } from '../beekeeper/open-remote-models.ts'
import { swarmSecrets } from '../beekeeper/swarm-secrets.ts'
import { ModelPlaces } from '../config/model-places.ts'
import type { SwarmSource } from './swarm-source.ts'

export interface LocalHostOptions {
  readonly bees: readonly SwarmBee[]
  readonly database: Database
  readonly clock: Clock
  readonly log: HostOptions['log']
}

/** The options of a `SwarmHost`, and the redactions that hide the secrets of its bees. */
export interface LocalHost {
  readonly options: HostOptions
  readonly redactions: HostRedactions
}

/**
 * Makes the options of a `SwarmHost` that runs without a beekeeper, with the ports of this process and with paths relative to the swarm's directory.
 */
export function localHost({ swarm, registry, config, directory }: SwarmSource, { bees, database, clock, log }: LocalHostOptions): LocalHost {
  const { settings, resolve } = config
  const remote = openRemoteModels(settings, systemClock)
  const places = new ModelPlaces({ resolve, directory, remote, mayFetch: true })
  const { host, redactions } = swarmSecrets(swarm, bees, config)
  const options: HostOptions = {
    swarm: swarm.name,
    registry,
    ports: beePorts({ settings, threads: settings.model_threads ?? 1, database }),
    bees,
    ...host,
    now: () => clock.now(),
    after: (ms, act) => clock.after(ms, act),
    resolve: (uri, kind, fetch) => places.path(uri, kind, fetch),
    resolveCommand: (image) => resolve.command(image),
    log,
  }
  return { options, redactions }
}
