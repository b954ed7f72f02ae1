import { EncryptedSecrets } from '../../connectors/secrets/encrypted-secrets.ts'
import { SecretKeys } from '../../connectors/secrets/secret-keys.ts'
import { readBounded } from '../../connectors/system/bounded-file.ts'
import type { Settings } from './settings.ts'

/** The settings for the encryption keys of stored secrets. */
export type SecretKeySettings = Pick<Settings, 'secrets_key' | 'secrets_key_file'>

/** The stored secrets of the data directory. Throws the errors of `secretKeys`. */
export function storedSecrets(settings: SecretKeySettings & Pick<Settings, 'data_dir'>): EncryptedSecrets {
  return new EncryptedSecrets(settings.data_dir, secretKeys(settings))
}

/**
 * The encryption keys from both settings. Throws a RangeError for a text that is not a key, and WAGGLE_FILE_NOT_FOUND for a file that cannot be read.
 */
export function secretKeys({ secrets_key: keys, secrets_key_file: file }: SecretKeySettings): SecretKeys {
  return SecretKeys.parse([keys ?? '', file === null ? '' : keysIn(file)].join('\n'))
}

function keysIn(file: string): string {
  return Buffer.from(readBounded(file, { maxBytes: 64 * 1024, next: 'Name a file of keys that this process may read.' })).toString()
}
