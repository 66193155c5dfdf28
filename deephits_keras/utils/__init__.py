"""What every room uses: whole files, progress, findings."""
