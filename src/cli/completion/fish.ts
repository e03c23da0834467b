/** For fish 3 and later. */
export const FISH = `# fish completion of tenant-migrate. Now:      tenant-migrate completion fish | source
# For good: tenant-migrate completion fish > ~/.config/fish/completions/tenant-migrate.fish
function __tenant_migrate_complete
    set -l typed (commandline -opc)
    set -l current (commandline -ct)
    set -l program (string replace -r '^~' "$HOME" -- $typed[1])
    set -e typed[1]
    $program __complete $typed "$current" 2>/dev/null | while read -l line
        switch $line
            case :file
                set -l prefix (string match -r '^--[a-z-]+=' -- "$current")
                for path in (__fish_complete_path (string replace -r '^--[a-z-]+=' '' -- "$current"))
                    echo "$prefix$path"
                end
            case :folder
                set -l prefix (string match -r '^--[a-z-]+=' -- "$current")
                for path in (__fish_complete_directories (string replace -r '^--[a-z-]+=' '' -- "$current") '')
                    echo "$prefix$path"
                end
            case '*'
                echo $line
        end
    end
end
complete -c tenant-migrate -f -k -a '(__tenant_migrate_complete)'
`;
