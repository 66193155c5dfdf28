"""Spotify's tracks as they are on Kaggle: three tables that most people start from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .tables import OneTable

HEAD_114K = (
    ",track_id,artists,album_name,track_name,popularity,duration_ms,explicit,danceability,energy,"
    "key,loudness,mode,speechiness,acousticness,instrumentalness,liveness,valence,tempo,"
    "time_signature,track_genre\n"
)
HEAD_600K = (
    "id,name,popularity,duration_ms,explicit,artists,id_artists,release_date,danceability,energy,"
    "key,loudness,mode,speechiness,acousticness,instrumentalness,liveness,valence,tempo,"
    "time_signature\n"
)
HEAD_232K = (
    "genre,artist_name,track_name,track_id,popularity,acousticness,danceability,duration_ms,"
    "energy,instrumentalness,key,liveness,loudness,mode,speechiness,tempo,time_signature,valence\n"
)


class KaggleTracks(OneTable):
    """114,000 tracks by genre (`dataset.csv`): artists are separated by `;`."""

    name = "kaggle-tracks"
    summary = "Spotify tracks by genre (114,000 rows), artists separated by ;"
    layout = "dataset.csv. A track stands there once per genre: the first row counts."
    citation = "Pandya, M. (2022). Spotify Tracks Dataset. Kaggle."
    separators = (";",)
    files = ("dataset.csv", "spotify_tracks.csv")
    columns: ClassVar[Mapping[str, str]] = {
        "track_id": "track_id",
        "artists": "artist_name",
        "track_name": "title",
        "album_name": "album_name",
        "track_genre": "genre",
        "popularity": "popularity",
    }

    example = HEAD_114K + (
        "0,t0,Ada;Bo,Album,Song,73,230666,False,0.676,0.461,1,-6.746,0,0.143,0.0322,1.01e-06,"
        "0.358,0.715,87.917,4,acoustic\n"
        "1,t1,Ada,Album,Other,55,149610,False,0.42,0.166,1,-17.235,1,0.0763,0.924,5.56e-06,"
        "0.101,0.267,77.489,4,acoustic\n"
        "2,t2,Cy,Third,Third,0,210826,True,0.438,0.359,0,-9.734,1,0.0557,0.21,0,0.117,0.12,"
        "76.332,4,rock\n"
        "3,t0,Ada;Bo,Album,Song,73,230666,False,0.676,0.461,1,-6.746,0,0.143,0.0322,1.01e-06,"
        "0.358,0.715,87.917,4,pop\n"
    )


class KaggleTracks600k(OneTable):
    """600,000 tracks of 1921 to 2020 (`tracks.csv`), with lists of artists and of their ids."""

    name = "kaggle-tracks-600k"
    summary = "Spotify tracks of 1921 to 2020 (600,000 rows), with artists' ids"
    layout = "tracks.csv; artists and id_artists are Python lists."
    citation = "Ay, Y. E. (2021). Spotify Dataset 1921-2020, 600k+ Tracks. Kaggle."
    files = ("tracks.csv",)
    columns: ClassVar[Mapping[str, str]] = {
        "id": "track_id",
        "name": "title",
        "artists": "artist_name",
        "id_artists": "artist_ids",
        "popularity": "popularity",
        "release_date": "release_date",
    }

    example = HEAD_600K + (
        "t0,Song,6,126903,0,['Ada'],['i0'],1922-02-22,0.645,0.445,0,-13.338,1,0.451,0.674,"
        "0.744,0.151,0.127,104.851,3\n"
        "t1,Other,0,98200,0,\"['Ada', 'Bo']\",\"['i0', 'i1']\",1922-06,0.695,0.263,0,-22.136,1,"
        "0.957,0.797,0.0,0.148,0.655,102.009,1\n"
        "t2,Third,41,181640,1,['Cy'],['i2'],1922,0.434,0.177,1,-21.18,1,0.0512,0.994,0.0218,"
        "0.212,0.457,130.418,5\n"
    )


class SpotifyFeatures(OneTable):
    """232,000 rows by genre (`SpotifyFeatures.csv`): `C#`, `Major` and `4/4` in words."""

    name = "spotify-features"
    summary = "Spotify features by genre (232,000 rows), keys and modes in words"
    layout = "SpotifyFeatures.csv. A track stands there once per genre: the first row counts."
    citation = "Hamidani, Z. (2019). Spotify Tracks DB. Kaggle."
    files = ("SpotifyFeatures.csv",)
    columns: ClassVar[Mapping[str, str]] = {
        "track_id": "track_id",
        "track_name": "title",
        "artist_name": "artist_name",
        "genre": "genre",
        "popularity": "popularity",
    }

    example = HEAD_232K + (
        "Movie,Ada,Song,t0,0,0.611,0.389,99373,0.91,0,C#,0.346,-1.828,Major,0.0525,166.969,"
        "4/4,0.814\n"
        "Movie,Bo,Other,t1,1,0.246,0.59,137373,0.737,0,F#,0.151,-5.559,Minor,0.0868,174.003,"
        "04-Apr,0.816\n"
        "Alternative,Cy,Third,t2,63,0.952,0.663,170267,0.131,0,C,0.103,-13.879,Minor,0.0362,"
        "99.488,5/4,0.368\n"
    )
