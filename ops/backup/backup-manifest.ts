import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { readBounded } from '../../connectors/system/bounded-file.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/** One file of a backup. */
export interface BackupFile {
  /** The path in the data directory, with slashes. */
  readonly path: string
  readonly bytes: number
  readonly sha256: string
  /** The permissions of the file, in the form of chmod(2). */
  readonly mode: number
}

/** The file `backup.json` of a backup. It is written last, so a backup without this file is not complete. */
export interface BackupManifest {
  /** The version of the format of the backup. */
  readonly format: number
  /** The version of Waggle that wrote the backup. */
  readonly waggle: string
  readonly created_at: number
  readonly files: readonly BackupFile[]
  /** The hash of `files`. It reveals damage of the list itself. */
  readonly files_sha256: string
}

export const manifestName = 'backup.json'
const backupFormat = 1

/** The text of a manifest for these files. */
export function manifestText({
  waggle,
  createdAt,
  files,
}: {
  readonly waggle: string
  readonly createdAt: number
  readonly files: readonly BackupFile[]
}): string {
  const manifest: BackupManifest = { format: backupFormat, waggle, created_at: createdAt, files, files_sha256: hashOf(files) }
  return `${JSON.stringify(manifest, null, 1)}\n`
}

/**
 * Reads the manifest of a backup. Throws WAGGLE_NO_BACKUP for a directory without a manifest, WAGGLE_BACKUP_DAMAGED, and WAGGLE_DATA_FORMAT for a
 * manifest of a newer Waggle.
 */
export function readManifest(directory: string): BackupManifest {
  const found = parsed(directory)
  if (newer.Check(found)) {
    throw new WaggleError('WAGGLE_DATA_FORMAT', {
      message: `${directory} is a backup of the format ${found.format}, and this version of Waggle knows format ${backupFormat}`,
      next: 'Restore the backup with the version of Waggle that wrote it, or a newer version.',
    })
  }
  if (!current.Check(found)) throw damagedBackup(directory, `${manifestName} is not a list of files`)
  if (hashOf(found.files) !== found.files_sha256) throw damagedBackup(directory, `${manifestName} was changed`)
  const outside = found.files.find(({ path }) => !isInside(path))
  if (outside !== undefined) throw damagedBackup(directory, `${manifestName} names ${JSON.stringify(outside.path)}, which is not a path inside`)
  return found
}

export function damagedBackup(directory: string, why: string): WaggleError {
  return new WaggleError('WAGGLE_BACKUP_DAMAGED', {
    message: `${directory} is damaged: ${why}`,
    next: 'Use another backup. Nothing was restored.',
  })
}

function parsed(directory: string): unknown {
  let text: Uint8Array
  try {
    text = readBounded(join(directory, manifestName), { maxBytes: maxManifestBytes, next: 'Name a backup.' })
  } catch (thrown) {
    if (thrown instanceof WaggleError && thrown.code !== 'WAGGLE_FILE_NOT_FOUND') throw thrown
    throw new WaggleError('WAGGLE_NO_BACKUP', {
      message: `${directory} is not a complete backup: it has no ${manifestName}`,
      next: 'Name a directory that `waggle backup` has written to its end.',
      cause: thrown,
    })
  }
  try {
    return JSON.parse(Buffer.from(text).toString()) as unknown
  } catch {
    throw damagedBackup(directory, `${manifestName} is not JSON`)
  }
}

/** False for a path that leads out of a directory. */
function isInside(path: string): boolean {
  return path !== '' && !path.includes('\\') && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && !part.includes('\0'))
}

function hashOf(files: readonly BackupFile[]): string {
  const hash = createHash('sha256')
  for (const { path, bytes, sha256, mode } of files) hash.update(`${JSON.stringify([path, bytes, sha256, mode])}\n`)
  return hash.digest('hex')
}

const newer = Compile(Type.Object({ format: Type.Integer({ minimum: backupFormat + 1 }) }))
const current = Compile(
  Type.Object({
    format: Type.Literal(backupFormat),
    waggle: Type.String({ maxLength: 100 }),
    created_at: Type.Number(),
    files: Type.Array(
      Type.Object({
        path: Type.String({ maxLength: 4096 }),
        bytes: Type.Integer({ minimum: 0 }),
        sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
        mode: Type.Integer({ minimum: 0, maximum: 0o777 }),
      }),
    ),
    files_sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  }),
)
/** The size limit of a manifest. A data directory of a hundred thousand files has a manifest of some 20 MB. */
const maxManifestBytes = 256 * 1024 * 1024
