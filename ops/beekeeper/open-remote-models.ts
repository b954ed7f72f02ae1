import { join } from 'node:path'
import { AllowedHosts } from '../../connectors/http/allowed-hosts.ts'
import { RemoteModels } from '../../connectors/objects/remote-models.ts'
import type { Clock } from '../../processor/ports.ts'
import type { Settings } from '../config/settings.ts'

/** Opens access to models on other machines. Their cache is in the data directory. Credentials for S3 come from the environment of this process. */
export function openRemoteModels({ data_dir, model_hosts, model_cache_bytes }: Settings, clock: Clock): RemoteModels {
  return new RemoteModels({
    directory: join(data_dir, 'models'),
    maxBytes: model_cache_bytes,
    hosts: AllowedHosts.parse(model_hosts),
    env: process.env,
    clock,
  })
}
