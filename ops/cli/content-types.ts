import { extname } from 'node:path'
import { ownMember } from '../../topology/own-member.ts'

/** The content type of a file by its extension; null for an unknown extension. */
export function contentTypeOfFile(file: string): string | null {
  return ownMember(contentTypes, extname(file).toLowerCase()) ?? null
}

const contentTypes: { readonly [extension: string]: string } = {
  '.json': 'application/json',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.png': 'image/png',
  '.webp': 'image/webp',
  '.gif': 'image/gif',
  '.txt': 'text/plain',
  '.csv': 'text/csv',
}
