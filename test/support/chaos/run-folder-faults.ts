import { between } from '../../../scripts/seed/random.ts';
import { breakDisk, systemError } from './broken-disk.ts';
import type { Fault, Site } from './fault.ts';

function atFileOperation(site: Site, least: number, most: number, fail: (place: number) => void): string {
  const at = between(site.random, least, most);
  fail(at);
  return `at file operation ${at}`;
}

const disk = { where: 'run folder', drive: 'in-process' } as const;
const DISK_SEES = 'exit 4 or 78 with the system’s words; nothing is sent to a store that is not on record';

export const runFolderFaults: readonly Fault[] = [
  {
    ...disk,
    kind: 'run folder: disk full',
    caughtBy: 'the write that fails; nothing is written behind it',
    userSees: DISK_SEES,
    arm: (site) => {
      let left = between(site.random, 0, 30_000);
      const text = `after ${left} bytes`;
      breakDisk(site.loaded.stateDir, ({ kind, length = 0, part }) => {
        if (kind !== 'write') return;
        left -= length;
        if (left >= 0) return;
        site.met();
        part?.(Math.max(0, left + length));
        left = 0;
        throw systemError('ENOSPC', 'no space left on device, write');
      });
      return text;
    },
  },
  {
    ...disk,
    kind: 'run folder: a sync fails',
    caughtBy: 'the sync that fails; nothing is written behind it',
    userSees: DISK_SEES,
    arm: (site) =>
      atFileOperation(site, 1, 30, (at) => {
        let seen = 0;
        breakDisk(site.loaded.stateDir, ({ kind }) => {
          if (kind !== 'sync') return;
          seen += 1;
          if (seen !== at) return;
          site.met();
          throw systemError('EIO', 'i/o error, fdatasync');
        });
      }),
  },
  {
    ...disk,
    kind: 'run folder: becomes read-only',
    caughtBy: 'the write that fails; nothing is written behind it',
    userSees: DISK_SEES,
    arm: (site) =>
      atFileOperation(site, 1, 60, (at) => {
        let seen = 0;
        breakDisk(site.loaded.stateDir, ({ kind }) => {
          seen += 1;
          // A lock that cannot be removed is nobody's once its process is gone; this one's process stays.
          if (seen < at || kind === 'rm') return;
          site.met();
          throw systemError('EROFS', 'read-only file system');
        });
      }),
  },
  {
    ...disk,
    drive: 'process',
    kind: 'run folder: the system limits the size of its files',
    caughtBy: 'the write that fails; nothing is written behind it',
    userSees: DISK_SEES,
    arm: (site) => {
      const blocks = between(site.random, 0, 40);
      site.process.fileBlocks = blocks;
      site.met();
      return `${blocks * 512} bytes a file`;
    },
  },
];
