import { readBounded } from '../../connectors/system/bounded-file.ts'
import type { Settings } from './settings.ts'

/** The settings that contain tokens. */
export type TokenSettings = Pick<Settings, 'tokens' | 'tokens_file'>

/** The list of tokens from both settings, as one text. Throws WAGGLE_FILE_NOT_FOUND for anything other than a readable file of at most 1 MiB. */
export function tokensText({ tokens, tokens_file: file }: TokenSettings): string {
  if (file === null) return tokens ?? ''
  const bytes = readBounded(file, { maxBytes: maxFileBytes, next: 'Name a file of tokens that this process may read.' })
  return `${tokens ?? ''}\n${Buffer.from(bytes).toString()}`
}

const maxFileBytes = 1024 * 1024
